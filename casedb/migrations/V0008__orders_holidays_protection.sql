-- Rules as orders give them: settings with their history, holidays, leave, protected people.

-- Grace, thresholds and operating points. A row is a revision and stays as it is; the newest row of the order in force counts,
-- without one the newest row without an order, without that the columns of person_rules (settings from before this version).
CREATE TABLE settings_revision (
    person_id            uuid NOT NULL REFERENCES person,
    revision             bigint NOT NULL CHECK (revision >= 1),
    order_id             uuid REFERENCES supervision_order,  -- NULL: of every order of the person that has no settings itself
    reporting_interval_s integer NOT NULL CHECK (reporting_interval_s BETWEEN 1 AND 86400),
    silence_after_s      integer NOT NULL CHECK (silence_after_s BETWEEN 1 AND 604800),
    home_exit_grace_s    integer NOT NULL CHECK (home_exit_grace_s BETWEEN 0 AND 86400),
    late_return_after_s  integer NOT NULL CHECK (late_return_after_s BETWEEN 0 AND 86400),
    -- Probabilities, within the limits of proto::rules::OperatingPoints; NULL: the engine's default.
    exclusion_entry      double precision CHECK (exclusion_entry BETWEEN 0.80 AND 0.99),
    home_exit            double precision CHECK (home_exit BETWEEN 0.90 AND 0.999),
    attendance           double precision CHECK (attendance BETWEEN 0.50 AND 0.95),
    changed_at           timestamptz NOT NULL DEFAULT now(),
    changed_by           uuid REFERENCES app_user,           -- NULL: the program itself (demo)
    PRIMARY KEY (person_id, revision)
);

CREATE TABLE holiday_calendar (
    calendar_id  uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name <> ''),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE holiday (
    calendar_id  uuid NOT NULL REFERENCES holiday_calendar ON DELETE CASCADE,
    day          date NOT NULL,
    label        text NOT NULL DEFAULT '',
    PRIMARY KEY (calendar_id, day)
);

-- Which calendar the person's schedules go by, where they say what to do on holidays. `stale`: something changed that concerns
-- the person's rules; they are published anew within seconds.
ALTER TABLE person_rules
    ADD COLUMN calendar_id uuid REFERENCES holiday_calendar,
    ADD COLUMN stale boolean NOT NULL DEFAULT false;
CREATE INDEX person_rules_calendar ON person_rules (calendar_id) WHERE calendar_id IS NOT NULL;

-- Leave: between the two times the rules of the zones do not hold. Without rows in leave_pass_zone: of all inclusion zones.
-- An exclusion zone is open only when it is named, the distance to a protected person never lapses.
CREATE TABLE leave_pass (
    leave_id     uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    approved_by  text NOT NULL CHECK (approved_by <> ''),
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   uuid REFERENCES app_user,
    withdrawn_at timestamptz,
    CHECK (ends_at > starts_at)
);
CREATE INDEX leave_pass_person ON leave_pass (person_id, ends_at);
CREATE TABLE leave_pass_zone (
    leave_id     uuid NOT NULL REFERENCES leave_pass ON DELETE CASCADE,
    zone_id      uuid NOT NULL REFERENCES zone,
    PRIMARY KEY (leave_id, zone_id)
);

-- People from whom others must keep away. They are not supervised: they have no order, no rules, no history, and no table here
-- has a place of theirs. Without their consent their device says nothing to anybody.
CREATE TABLE protected_person (
    protected_id     uuid PRIMARY KEY,
    reference        text NOT NULL UNIQUE CHECK (reference <> ''),
    display_name     text NOT NULL DEFAULT '',
    police_agency_id uuid NOT NULL REFERENCES agency,
    consent_at       timestamptz,
    withdrawn_at     timestamptz,                 -- of the consent
    created_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (withdrawn_at IS NULL OR consent_at IS NOT NULL)
);

-- The restriction's id is a zone's id too (a row in zone without a shape, of audience police): events and incidents name it.
CREATE TABLE proximity (
    proximity_id uuid PRIMARY KEY REFERENCES zone,
    person_id    uuid NOT NULL REFERENCES person,
    protected_id uuid NOT NULL REFERENCES protected_person,
    created_at   timestamptz NOT NULL DEFAULT now(),
    removed_at   timestamptz
);
CREATE UNIQUE INDEX proximity_pair ON proximity (person_id, protected_id) WHERE removed_at IS NULL;
CREATE INDEX proximity_protected ON proximity (protected_id) WHERE removed_at IS NULL;
CREATE TABLE proximity_revision (
    proximity_id uuid NOT NULL REFERENCES proximity,
    revision     bigint NOT NULL CHECK (revision >= 1),
    distance_m   double precision NOT NULL CHECK (distance_m > 0 AND distance_m <= 1000000),
    buffer_m     double precision NOT NULL DEFAULT 0 CHECK (buffer_m >= 0 AND buffer_m <= 1000000),
    schedule     jsonb,                           -- JSON as in src/zone/schedule.rs; NULL: always
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   uuid REFERENCES app_user,
    PRIMARY KEY (proximity_id, revision)
);

-- A device is worn by a supervised person or carried by a protected one.
ALTER TABLE device_assignment
    ALTER COLUMN person_id DROP NOT NULL,
    ADD COLUMN protected_id uuid REFERENCES protected_person,
    ADD CONSTRAINT device_assignment_one_wearer CHECK (num_nonnulls(person_id, protected_id) = 1);
CREATE INDEX device_assignment_protected ON device_assignment (protected_id) WHERE protected_id IS NOT NULL;

-- Who changed what of the above, settings aside (they are revisions themselves), and of an order's end. Rows are only added.
CREATE TABLE order_change (
    change_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    changed_by   uuid NOT NULL REFERENCES app_user,
    person_id    uuid REFERENCES person,              -- NULL: not of one supervised person (calendar, consent)
    what         text NOT NULL CHECK (what IN ('calendar', 'holidays', 'holidays_removed', 'release', 'leave', 'leave_withdrawn',
                                               'keep_away', 'keep_away_removed', 'consent', 'consent_withdrawn', 'device')),
    detail       text NOT NULL
);
CREATE INDEX order_change_person ON order_change (person_id, changed_at);
