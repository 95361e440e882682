-- "Fitted but silent" asks when orders are in force where everything does: approval, required steps and reviews count.
CREATE OR REPLACE FUNCTION device_silent(at timestamptz)
    RETURNS TABLE (assignment_id uuid, device_id uuid, person_id uuid, fitted_at timestamptz, last_seen_at timestamptz,
                   silent_since timestamptz, allowed_s integer, never_heard boolean)
    LANGUAGE sql STABLE AS $$
    SELECT a.assignment_id, a.device_id, a.person_id, a.assigned_at, s.last_seen_at, heard.since, settings.silence_after_s,
        s.last_seen_at IS NULL OR s.last_seen_at < a.assigned_at
    FROM device_assignment a
    JOIN device d ON d.device_id = a.device_id AND d.retired_at IS NULL
    JOIN LATERAL (
        SELECT t.order_id, t.starts_at FROM order_term t
        WHERE t.person_id = a.person_id AND t.starts_at <= at AND t.ends_at > at
        ORDER BY t.starts_at DESC, t.order_id DESC LIMIT 1) o ON true
    LEFT JOIN device_status s ON s.device_id = a.device_id
    CROSS JOIN LATERAL (SELECT GREATEST(a.assigned_at, o.starts_at, s.last_seen_at) AS since) heard
    CROSS JOIN LATERAL (
        SELECT COALESCE(
            (SELECT r.silence_after_s FROM settings_revision r WHERE r.person_id = a.person_id AND r.order_id = o.order_id
             ORDER BY r.revision DESC LIMIT 1),
            (SELECT r.silence_after_s FROM settings_revision r WHERE r.person_id = a.person_id AND r.order_id IS NULL
             ORDER BY r.revision DESC LIMIT 1),
            (SELECT r.silence_after_s FROM person_rules r WHERE r.person_id = a.person_id), 900) AS silence_after_s) settings
    WHERE a.ended_at IS NULL AND a.assigned_at <= at AND heard.since + make_interval(secs => settings.silence_after_s) <= at
$$;

-- Presence only (law profiles with location scope presence_in_dwelling): whether a position may be inside a dwelling of the person,
-- which is each inclusion zone that is not for attendance. The position's own error counts, up to 50 m: in doubt less is kept.
CREATE FUNCTION within_area(geometry jsonb, radius_m double precision, longitude double precision, latitude double precision,
                            slack_m double precision) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    -- Metres a degree, on a sphere: for zones the size of a house exact to a decimetre.
    north constant double precision := 111195.0;
    east constant double precision := 111195.0 * cos(radians(latitude));
    polygon jsonb;
    ring jsonb;
    ax double precision; ay double precision; qx double precision; qy double precision; along double precision;
    crossings integer;
    at integer;
BEGIN
    IF geometry ->> 'type' = 'Point' THEN
        ax := ((((geometry -> 'coordinates' ->> 0)::double precision - longitude + 540)::numeric % 360)::double precision - 180) * east;
        ay := ((geometry -> 'coordinates' ->> 1)::double precision - latitude) * north;
        RETURN sqrt(ax * ax + ay * ay) <= radius_m + slack_m;
    END IF;
    IF geometry ->> 'type' NOT IN ('Polygon', 'MultiPolygon') THEN
        RETURN false;
    END IF;
    FOR polygon IN SELECT jsonb_array_elements(CASE geometry ->> 'type' WHEN 'Polygon' THEN jsonb_build_array(geometry -> 'coordinates')
                                               ELSE geometry -> 'coordinates' END) LOOP
        crossings := 0;
        FOR ring IN SELECT jsonb_array_elements(polygon) LOOP
            FOR at IN 1 .. jsonb_array_length(ring) - 1 LOOP
                ax := ((ring -> (at - 1) ->> 0)::double precision - longitude) * east;
                ay := ((ring -> (at - 1) ->> 1)::double precision - latitude) * north;
                qx := ((ring -> at ->> 0)::double precision - longitude) * east;
                qy := ((ring -> at ->> 1)::double precision - latitude) * north;
                IF (ay > 0) <> (qy > 0) AND ax + (qx - ax) * (-ay) / (qy - ay) > 0 THEN
                    crossings := crossings + 1;
                END IF;
                along := CASE WHEN ax = qx AND ay = qy THEN 0
                    ELSE LEAST(1, GREATEST(0, -(ax * (qx - ax) + ay * (qy - ay)) / ((qx - ax) ^ 2 + (qy - ay) ^ 2))) END;
                IF sqrt((ax + along * (qx - ax)) ^ 2 + (ay + along * (qy - ay)) ^ 2) <= slack_m THEN
                    RETURN true;
                END IF;
            END LOOP;
        END LOOP;
        IF crossings % 2 = 1 THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

CREATE FUNCTION may_be_in_dwelling(person uuid, longitude double precision, latitude double precision, accuracy_m double precision)
    RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM person_zone x JOIN zone z USING (zone_id)
        JOIN LATERAL (SELECT r.geometry, r.radius_m FROM zone_revision r WHERE r.zone_id = x.zone_id ORDER BY r.revision DESC LIMIT 1) r
            ON true
        WHERE x.person_id = person AND x.removed_at IS NULL AND NOT x.attendance AND z.kind = 'inclusion'
          AND within_area(r.geometry, r.radius_m, longitude, latitude, LEAST(COALESCE(accuracy_m, 0), 50)))
$$;
