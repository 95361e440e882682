-- When gateways last took a device's name for that of two devices, and since when without half an hour of quiet between. No places.
ALTER TABLE device_status
    ADD COLUMN cloned_at    timestamptz,
    ADD COLUMN cloned_since timestamptz,
    ADD CONSTRAINT device_status_cloned CHECK ((cloned_at IS NULL) = (cloned_since IS NULL) AND cloned_since <= cloned_at);
CREATE INDEX device_status_cloned_at ON device_status (cloned_at) WHERE cloned_at IS NOT NULL;
