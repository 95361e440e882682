-- What devices share, besides their model: when it fails, many incidents have one cause (alerts/core/src/group/cause.rs).
ALTER TABLE device
    ADD COLUMN carrier  text NOT NULL DEFAULT '',   -- of its SIM card; '': not known
    ADD COLUMN firmware text NOT NULL DEFAULT '';   -- '': not known
