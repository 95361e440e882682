-- What a person's zones asked, publication by publication: who made it so, when and why. The newest row of a zone is what holds; rows
-- stay. A zone that was never changed since this version has none: what holds then is read from `zone`, `zone_revision`, `person_zone`.
CREATE TABLE zone_publication (
    person_id    uuid NOT NULL REFERENCES person,
    zone_id      uuid NOT NULL REFERENCES zone,
    number       bigint NOT NULL CHECK (number >= 1),
    published_at timestamptz NOT NULL DEFAULT now(),
    published_by uuid REFERENCES app_user,          -- NULL: the program, or nobody knows
    reason       text NOT NULL DEFAULT '',
    label        text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('inclusion', 'exclusion', 'neutral')),
    audience     text NOT NULL CHECK (audience IN ('police', 'social_work', 'both')),
    geometry     jsonb NOT NULL,
    radius_m     double precision CHECK (radius_m > 0 AND radius_m <= 1000000),
    buffer_m     double precision NOT NULL DEFAULT 0 CHECK (buffer_m >= 0 AND buffer_m <= 100000),
    datum        text NOT NULL DEFAULT 'wgs84',
    schedule     jsonb,                             -- NULL: always
    attendance   boolean NOT NULL DEFAULT false,
    removed      boolean NOT NULL DEFAULT false,    -- from then on it is no zone of the person
    PRIMARY KEY (person_id, zone_id, number)
);

CREATE FUNCTION zone_publication_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a publication of a zone is on record and stays as it is'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'zone_publication_stays';
END $$;
CREATE TRIGGER zone_publication_stays BEFORE UPDATE ON zone_publication FOR EACH ROW EXECUTE FUNCTION zone_publication_stays();
