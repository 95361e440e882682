-- What is kept of a person is changed on the page too: the user's line in the account of changes says so.

ALTER TABLE order_change DROP CONSTRAINT order_change_what_check;
ALTER TABLE order_change ADD CONSTRAINT order_change_what_check CHECK (what IN ('calendar', 'holidays', 'holidays_removed', 'release',
    'leave', 'leave_withdrawn', 'leave_requested', 'leave_refused', 'keep_away', 'keep_away_removed', 'consent', 'consent_withdrawn',
    'device', 'order_made', 'order_approved', 'order_refused', 'order_notice', 'order_extension', 'order_review', 'order_varied',
    'order_revoked', 'person'));
