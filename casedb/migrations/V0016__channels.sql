-- Short messages and Web Push; users' own addresses; failover from channel to channel; receipts; places per target.

ALTER TABLE app_user
    ADD COLUMN phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$');      -- E.164

-- Where a user's browsers take Web Push messages. The keys are the browser's public key and its shared secret (RFC 8291).
CREATE TABLE push_subscription (
    subscription_id uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    endpoint        text NOT NULL UNIQUE CHECK (length(endpoint) BETWEEN 8 AND 2048),
    p256dh          bytea NOT NULL CHECK (length(p256dh) = 65),
    auth            bytea NOT NULL CHECK (length(auth) = 16),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX push_subscription_user ON push_subscription (user_id);
COMMENT ON TABLE push_subscription IS 'Browsers in which a user wants messages; removed when the push service says that they are gone';

ALTER TABLE notification
    DROP CONSTRAINT notification_channel_check,
    ADD CONSTRAINT notification_channel_check CHECK (channel IN ('console', 'mail', 'webhook', 'sms', 'push')),
    ALTER COLUMN event_id DROP NOT NULL,             -- an incident of the system's own has no event
    ADD COLUMN user_id      uuid REFERENCES app_user, -- whom it calls; NULL: an agency or its target
    -- A chain: the messages to one user about one thing, over one channel after the other.
    ADD COLUMN chain_key    text,                    -- what the chain is about, and whom it calls
    ADD COLUMN failover     text[] NOT NULL DEFAULT '{}', -- its channels in order, this message's own at `position`
    ADD COLUMN position     smallint NOT NULL DEFAULT 0 CHECK (position >= 0),
    ADD COLUMN fail_over_at timestamptz,             -- from when the next channel is due; NULL: nothing follows (any more)
    -- What the provider says.
    ADD COLUMN send_key     uuid,                    -- the key given to the provider, where it is not notification_id
    ADD COLUMN provider_id  text,                    -- the provider's name for it
    ADD COLUMN receipt      text CHECK (receipt IN ('accepted', 'delivered', 'failed')),
    ADD COLUMN receipt_at   timestamptz;
-- Each channel of a chain once, whoever passes it on.
CREATE UNIQUE INDEX notification_chain ON notification (chain_key, position) WHERE chain_key IS NOT NULL;
CREATE INDEX notification_fail_over ON notification (fail_over_at) WHERE fail_over_at IS NOT NULL;
CREATE INDEX notification_provider ON notification (channel, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX notification_send_key ON notification (send_key) WHERE send_key IS NOT NULL;
-- For leasing: recipients one by one, of each the oldest.
CREATE INDEX notification_waiting ON notification (channel, recipient, next_attempt_at) WHERE state IN ('queued', 'sending');

-- Receivers that have asked to be left alone for a while (Retry-After). Recipient '': everything of the channel.
CREATE TABLE notification_hold (
    channel    text NOT NULL,
    recipient  text NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (channel, recipient)
);
COMMENT ON TABLE notification_hold IS 'Receivers that asked to be left alone until then; operational, deleted when it has passed';

ALTER TABLE notification_target
    DROP CONSTRAINT notification_target_channel_check,
    ADD CONSTRAINT notification_target_channel_check CHECK (channel IN ('mail', 'webhook', 'sms')),
    ADD COLUMN template text NOT NULL DEFAULT 'homeward' CHECK (template IN ('homeward', 'wecom', 'dingtalk'));
