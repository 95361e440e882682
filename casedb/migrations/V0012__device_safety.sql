-- What a device's codes mean, from where it may speak, and the change of its key.
ALTER TABLE device
    ADD COLUMN profile           text NOT NULL DEFAULT '',       -- empty: the default of its protocol
    ADD COLUMN allowed_networks  cidr[] NOT NULL DEFAULT '{}',   -- empty: from anywhere
    ADD COLUMN next_secret       bytea,                          -- offered to the device, beside `secret`, until it confirms
    ADD COLUMN next_secret_since timestamptz,
    ADD COLUMN next_secret_until timestamptz,                    -- not confirmed by then: `secret` stays the only one
    ADD COLUMN secret_changed_at timestamptz,
    ADD CONSTRAINT device_next_secret_whole CHECK (
        (next_secret IS NULL) = (next_secret_since IS NULL)
        AND (next_secret IS NULL) = (next_secret_until IS NULL)
        AND (next_secret IS NULL OR next_secret_until > next_secret_since));
