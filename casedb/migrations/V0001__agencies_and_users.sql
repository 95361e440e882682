-- Agencies form a tree; users belong to a branch and have a role.
CREATE EXTENSION IF NOT EXISTS ltree;

CREATE TABLE agency (
    agency_id   uuid PRIMARY KEY,
    path        ltree NOT NULL UNIQUE,
    name        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('police', 'social_work', 'administration')),
    time_zone   text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX agency_path_gist ON agency USING gist (path);

CREATE TABLE app_user (
    user_id        uuid PRIMARY KEY,
    username       text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9._-]{1,64}$'),
    display_name   text NOT NULL,
    role           text NOT NULL CHECK (role IN ('duty_officer', 'social_worker', 'service_provider', 'analyst', 'supervisor', 'auditor', 'administrator')),
    agency_id      uuid NOT NULL REFERENCES agency,
    password_hash  text NOT NULL,               -- argon2id, PHC string
    locale         text NOT NULL DEFAULT 'en' CHECK (locale IN ('en', 'zh-CN')),
    email          text,
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_session (
    token_hash   bytea PRIMARY KEY,             -- SHA-256 of the cookie: a stolen table opens no session
    user_id      uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX user_session_user ON user_session (user_id);

CREATE TABLE sign_in_attempt (
    username     text NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    succeeded    boolean NOT NULL
);
CREATE INDEX sign_in_attempt_recent ON sign_in_attempt (username, attempted_at DESC);
