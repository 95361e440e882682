-- What a device's clock says, measured at the gateway: receipt minus the device's time of its latest live reports, the smallest of
-- a few seconds. The way of a report is never negative, so this is the clock's skew and the shortest way: far above zero the clock is
-- behind (or the network slow), below zero it is ahead.
ALTER TABLE device_status ADD COLUMN clock_delay interval;
ALTER TABLE device_status ADD COLUMN clock_at timestamptz;
