DROP TABLE password_resets, refresh_tokens, sessions, users;
