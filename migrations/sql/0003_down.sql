DROP TRIGGER browsers_are_forgotten ON users;
DROP FUNCTION login_forget_devices();
DROP FUNCTION rate_lease(uuid[], text[], int[], int[], int),
    login_guess(bytea, bytea, bytea, double precision[], double precision[]),
    login_guessed_right(bytea[], bytea, bytea),
    login_device_is_ours(bytea);
DROP TABLE limits.rate_windows, limits.login_guesses, limits.login_devices;
DROP SCHEMA limits;
