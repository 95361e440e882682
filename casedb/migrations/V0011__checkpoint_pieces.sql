-- The journal of the last day, beside the engine's state: what late reports need to be judged as if they had come in time. A piece
-- is what came since the checkpoint before it; the state itself does not grow with a day's reports.
CREATE TABLE checkpoint_piece (
    partition    integer NOT NULL,
    piece_id     bigint GENERATED ALWAYS AS IDENTITY,
    clock_us     bigint NOT NULL,                -- the engine's clock when it was saved; microseconds since 1970
    content      bytea NOT NULL,
    PRIMARY KEY (partition, piece_id)
);
