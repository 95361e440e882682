-- What a client has sent once under a key of its own making: sent again, because the answer was lost on its way, it is not done twice.
-- The row is written in the transaction of the deed, so there is one without the other never. Kept for a day.
CREATE TABLE deed_key (
    user_id   uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    key       uuid NOT NULL,
    digest    bytea NOT NULL CHECK (octet_length(digest) = 32), -- of key, method, path and body: the same key for something else is refused
    object_id uuid NOT NULL,                                    -- what the deed made, where it made something that has an id
    done_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX deed_key_done ON deed_key (done_at);
COMMENT ON TABLE deed_key IS 'Keys under which clients have done something, so that nothing is done twice; deleted after a day';
