-- Of an incident that is about nobody, the agencies say who sees it; without any, everybody of its audience does.
ALTER TABLE incident
    ADD COLUMN IF NOT EXISTS police_agency_id uuid REFERENCES agency,
    ADD COLUMN IF NOT EXISTS social_agency_id uuid REFERENCES agency;
