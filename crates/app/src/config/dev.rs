//! What holds in `spicyjump dev` where nobody says otherwise.

use std::path::Path;

use super::{Layer, settings::Setting};

/// Where `spicyjump dev` keeps everything, below the working directory.
pub(crate) const DEV_HOME: &str = ".data";

/// Pages of frontends under development, as the usual tools serve them.
const LOCAL_ORIGINS: &str = "http://localhost:3000,http://localhost:5173";

/// Where `spicyjump dev` differs from the table of settings; `home` is where it keeps everything.
pub(crate) fn dev_defaults(home: &Path) -> Layer {
    let usual_origins =
        Setting::named("CORS_ORIGINS").and_then(|setting| setting.default).unwrap_or_default();
    Layer::from([
        // Who tries things out makes more than 100 requests an hour.
        ("RATE_LIMIT_PER_DAY", "0".to_owned()),
        ("RATE_LIMIT_PER_HOUR", "0".to_owned()),
        ("RATE_LIMIT_LOGIN_PER_MINUTE", "0".to_owned()),
        ("CORS_ORIGINS", format!("{usual_origins},{LOCAL_ORIGINS}")),
        ("LOG_FILE", home.join("app.log").display().to_string()),
    ])
}
