-- What must be said must show: one list of what shows nothing (white space, controls, what Unicode lets a screen pass over, and the blanks
-- among letters and patterns), for texts of people's, for words about incidents, and for the case numbers of readings. The program asks the
-- same (alerts/core/src/blank.rs), and a test goes through the characters.
CREATE FUNCTION words_show(words text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(words ~ '[^\u0001-\u0020\u007F-\u00A0\u00AD\u034F\u061C\u115F-\u1160\u1680\u17B4-\u17B5\u180B-\u180F\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]', false);
COMMENT ON FUNCTION words_show IS 'The text has something to be seen.';

CREATE OR REPLACE FUNCTION plain_words(words text, most integer, lines boolean, empty boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN char_length(words) <= most
    AND CASE WHEN lines THEN words !~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]'
        ELSE words !~ '[\u0001-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]' END
    AND (words IS NULL OR empty AND words = '' OR words_show(words));

CREATE OR REPLACE FUNCTION incident_worded(words text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN words_show(words);

-- Of readings of positions, and of the bytes of frames; other records have none.
CREATE OR REPLACE FUNCTION position_access_said() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.from_at IS NOT NULL OR NEW.scope LIKE 'frame %') AND NOT words_show(NEW.case_number) THEN
        RAISE EXCEPTION 'the case number is missing' USING ERRCODE = 'check_violation', CONSTRAINT = 'position_access_said';
    END IF;
    RETURN NEW;
END $$;
