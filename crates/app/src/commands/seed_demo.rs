//! `spicyjump seed-demo`

use std::sync::Arc;

use crate::{
    adapters,
    clock::SystemClock,
    config::{self, SeedConfig, Values},
    demo::{self, Gallery},
    failure::Failure,
    logging::{self, Terminal},
    printer,
};

/// Fills the database with a demo shop.
pub(super) async fn run(values: &Values, products: u64) -> Result<(), Failure> {
    let SeedConfig { store, images } = config::load(values)?;
    let _log = logging::start(&store.log, Terminal::Stderr)?;
    let database = adapters::database(&store)?;
    if images.is_none() {
        tracing::warn!("no pictures: S3_BUCKET and what belongs to it are not set");
    }
    let gallery = images.map(|images| {
        let store = adapters::images(&images, &store.outbound, Arc::new(SystemClock))?;
        Ok::<_, Failure>(Gallery { store, cdn: images.cdn_base })
    });
    let gallery = gallery.transpose()?;
    demo::seed(&database, demo::LOGINS, gallery.as_ref(), products).await?;
    printer::line(format_args!(
        "The demo shop is ready. These people can log in, with the password {}:",
        demo::PASSWORD
    ));
    for login in demo::LOGINS {
        printer::line(format_args!("  {:<7} {}", login.role.code(), login.email));
    }
    printer::line(
        "It has no administrator, since its password is no secret: make one with `spicyjump create-admin`.",
    );
    Ok(())
}
