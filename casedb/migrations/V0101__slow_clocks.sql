-- Since when a device's clock is slow by more than a report may take, as gateways have measured it; NULL: it is not. And what they have
-- learnt of the times of a device that states a time zone: whether it writes local time, for the zone that it stated then.
ALTER TABLE device_status
    ADD COLUMN clock_slow_since timestamptz,
    ADD COLUMN zone_offset_s    integer,
    ADD COLUMN zone_local       boolean,
    ADD CONSTRAINT device_status_zone CHECK ((zone_offset_s IS NULL) = (zone_local IS NULL));
CREATE INDEX device_status_slow ON device_status (device_id) WHERE clock_slow_since IS NOT NULL;
