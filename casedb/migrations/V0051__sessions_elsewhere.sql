-- Sessions of devices that two gateways have heard within minutes: so each sees whether a device goes on over both. No places.
CREATE TABLE device_session (
    device_id       uuid NOT NULL REFERENCES device ON DELETE CASCADE,
    gateway         text NOT NULL,
    session         bigint NOT NULL,          -- as that gateway counts
    opened_at       timestamptz NOT NULL,     -- times are this database's
    spoke_at        timestamptz NOT NULL,
    made_at         timestamptz,              -- of the latest report that it sent at once, by the device's clock
    suspected_until timestamptz,              -- that gateway takes the device for two
    PRIMARY KEY (device_id, gateway, session)
);
CREATE INDEX device_session_spoke ON device_session (spoke_at);
COMMENT ON TABLE device_session IS 'Sessions of devices that two gateways have heard within minutes; rows of the last quarter of an hour';

-- Native: everything up to this number of the device's own counting is durable. The gateways write it late, so it is never too high.
ALTER TABLE device_status ADD COLUMN acknowledged_sequence bigint CHECK (acknowledged_sequence > 0);
