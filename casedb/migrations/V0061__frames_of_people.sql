-- Frames that could not be read may hold positions all the same: of a device that somebody wears or wore they are for those alone who see
-- that person; of strangers' devices for everybody who keeps the gateways.
CREATE FUNCTION access_frame(of_protocol text, of_identity text, role name) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT count(*) = 0 OR bool_or(a.person_id IS NOT NULL AND access_sees(a.person_id, role))
    FROM device d JOIN device_assignment a USING (device_id)
    WHERE d.protocol = of_protocol AND d.identity = of_identity
$$;
REVOKE EXECUTE ON FUNCTION access_frame, break_glass_opener, declared_access, law_profiles_of FROM PUBLIC;
