-- The radio cell that serves a device now: what devices share that fall silent together (casedb/src/cause.rs). A cell is a coarse
-- position, so the newest of each device is kept and no other, for a day at most, while somebody wears it under an order; no role reads it.
CREATE TABLE device_cell (
    device_id uuid PRIMARY KEY REFERENCES device,
    person_id uuid NOT NULL REFERENCES person,       -- the wearer
    mcc       integer NOT NULL CHECK (mcc BETWEEN 0 AND 999),
    mnc       integer NOT NULL CHECK (mnc BETWEEN 0 AND 999),
    area      bigint NOT NULL CHECK (area >= 0),
    cell      bigint NOT NULL CHECK (cell >= 0),
    heard_at  timestamptz NOT NULL                   -- the device's time of the report, to ten minutes where the cell stays the same
);
CREATE INDEX device_cell_person ON device_cell (person_id);
