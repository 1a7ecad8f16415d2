//! `spicyjump dev`: the embedded default. A private PostgreSQL and stand-ins for Stripe, S3 and mail, and the same
//! shop that `serve` runs, pointed at them.

mod secrets;
mod stand_ins;
mod welcome;

use std::{
    fs,
    io::{self, Write as _},
    net::TcpListener,
    path::Path,
    sync::Arc,
};

use spicyjump_postgres::Database;

use self::{secrets::Secrets, stand_ins::StandIns, welcome::Welcome};
use super::{migrate, serve};
use crate::{
    adapters,
    clock::SystemClock,
    config::{self, DEV_HOME, Log, ServeConfig, Server, Telemetry, Values, dev_defaults},
    demo::{self, Gallery},
    failure::Failure,
    listen, logging,
    shutdown::Shutdown,
};

/// A shop that is ready to be served.
struct Shop {
    listener: TcpListener,
    config: ServeConfig,
    stand_ins: StandIns,
    welcome: Welcome,
}

/// Runs the shop until a signal comes, then stops what ran beside it.
pub(super) async fn run(mut values: Values) -> Result<(), Failure> {
    let home = Path::new(DEV_HOME);
    values.fall_back_on(dev_defaults(home));
    fs::create_dir_all(home).map_err(|error| Failure::because(home.display(), &error))?;
    let (log, telemetry) = (config::load::<Log>(&values)?, config::load::<Telemetry>(&values)?);
    let _log = logging::start_with_traces(&log, &telemetry, &config::load(&values)?)?;
    // PostgreSQL shares the terminal: without a handler, Ctrl-C while it starts would leave it alone.
    let shutdown = Shutdown::on_signals()?;
    let Shop { listener, config, stand_ins, welcome } = prepare(values, home).await?;
    let served = async {
        let (database, _) = stocked(&config).await?;
        // Nobody to read it is no reason to stop.
        let _ = io::stdout().write_all(welcome.screen().as_bytes());
        let shop = serve::Shop { listener, database, home: Some(welcome.page()), workers: true };
        serve::serve(config, shop, &shutdown).await
    };
    let served = served.await;
    stand_ins.stop().await?;
    served
}

/// Takes the API's port, or the next free one where nobody asked for it; starts what runs beside the shop; and points
/// the configuration there.
async fn prepare(mut values: Values, home: &Path) -> Result<Shop, Failure> {
    let server: Server = config::load(&values)?;
    let listener = if values.is_given("BIND_ADDR") {
        listen::on("BIND_ADDR", server.bind_addr)?
    } else {
        listen::on_or_after(server.bind_addr).map_err(|error| Failure::because("BIND_ADDR", &error))?
    };
    let api = listener.local_addr().map_err(|error| Failure::because("BIND_ADDR", &error))?;
    if api.port() != server.bind_addr.port() && server.bind_addr.port() != 0 {
        eprintln!("{} is in use, so the shop is at {api}.", server.bind_addr);
    }

    let path = home.join("secrets.json");
    let secrets = Secrets::load_or_make(&path).map_err(|error| Failure::because(path.display(), &error))?;
    let stand_ins = StandIns::start(home, &secrets, api).await?;
    let welcome = Welcome::new(&server.public_base_url(api), &stand_ins);
    values.force(stand_ins.settings(&secrets));
    Ok(Shop { listener, config: config::load(&values)?, stand_ins, welcome })
}

/// The database with its demo shop, and how many products were missing.
async fn stocked(config: &ServeConfig) -> Result<(Database, u64), Failure> {
    let database = adapters::database(&config.worker.payments.store)?;
    migrate::apply(&database).await?;
    // Another program may have the port by now where the pictures were at the last start.
    let moved = database.move_images(config.images.cdn_base.as_str()).await;
    moved.map_err(|failure| Failure::store("pictures", &failure))?;
    let added = demo::seed(&database, demo::PRIVATE_LOGINS, Some(&gallery(config)?), demo::PRODUCTS).await?;
    Ok((database, added))
}

/// Where the demo shop's pictures go.
fn gallery(config: &ServeConfig) -> Result<Gallery, Failure> {
    let outbound = &config.worker.payments.store.outbound;
    let store = adapters::images(&config.images, outbound, Arc::new(SystemClock))?;
    Ok(Gallery { store, cdn: config.images.cdn_base.clone() })
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::{
        audit::Audit as _,
        catalogue::{CatalogueStore as _, ProductFilter, ProductSort},
        paging::{PageRequest, Position},
    };
    use spicyjump_postgres::{PgAudit, PgCatalogue};

    use super::*;
    use crate::config::Layer;

    /// Ports are found free and used a moment later: two shops that start at once may want the same one.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_configured_is_enough_for_a_shop() {
        let _turn = ONE_AT_A_TIME.lock().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = taken.local_addr().unwrap();
        // A real key of the developer's must not reach the stand-in.
        let given = |name: &str| (name == "STRIPE_SECRET_KEY").then(|| "sk_live_real".to_owned());
        let mut values = Values::new(Layer::new(), given, None);
        values.fall_back_on(Layer::from([("BIND_ADDR", wished.to_string())]));
        values.fall_back_on(dev_defaults(home.path()));
        let shop = prepare(values, home.path()).await.unwrap();

        let api = shop.listener.local_addr().unwrap();
        assert_ne!(api, wished);
        assert_eq!(shop.config.limits.per_hour, 0);
        assert!(shop.config.worker.payments.stripe.api_base.starts_with("http://127.0.0.1:"));
        let screen = shop.welcome.screen();
        for text in [format!("http://{api}/docs"), "Mailbox".to_owned(), "seller@example.com".to_owned()] {
            assert!(screen.contains(&text), "{text} is not on the first screen:\n{screen}");
        }
        assert!(shop.welcome.page().contains("href=\"http://127.0.0.1:"));
        let (database, added) = stocked(&shop.config).await.unwrap();
        assert_eq!(added, demo::PRODUCTS);
        assert!(database.is_migrated().await.unwrap());
        assert_eq!(stocked(&shop.config).await.unwrap().1, 0, "nothing is added the second time");
        assert_eq!(PgAudit::new(database.clone()).run().await.unwrap(), []);
        drop(database);
        shop.stand_ins.stop().await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_somebody_asked_for_is_taken_or_nothing_starts() {
        let home = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = taken.local_addr().unwrap().to_string();
        let layer = Layer::from([("BIND_ADDR", wished.clone())]);
        for values in [
            Values::new(layer.clone(), |_| None, None),
            Values::new(Layer::new(), |name| (name == "BIND_ADDR").then(|| wished.clone()), None),
            Values::new(Layer::new(), |_| None, Some(("spicyjump.toml".to_owned(), layer.clone()))),
        ] {
            let Err(failure) = prepare(values, home.path()).await else { panic!("it started elsewhere") };
            let line = failure.to_string();
            assert!(line.starts_with(&format!("BIND_ADDR: cannot listen on {wished}: ")), "{line}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pictures_are_found_where_they_are_at_the_next_start() {
        let _turn = ONE_AT_A_TIME.lock().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = tempfile::tempdir().unwrap();
        let start = async || {
            let given = |name: &str| (name == "BIND_ADDR").then(|| "127.0.0.1:0".to_owned());
            let mut values = Values::new(Layer::new(), given, None);
            values.fall_back_on(dev_defaults(home.path()));
            let shop = prepare(values, home.path()).await.unwrap();
            let (database, _) = stocked(&shop.config).await.unwrap();
            (shop, database)
        };
        let (first, database) = start().await;
        drop(database);
        let place = first.stand_ins.s3.base_url();
        first.stand_ins.stop().await.unwrap();
        let _taken = TcpListener::bind(place.trim_start_matches("http://")).unwrap();

        let (second, database) = start().await;
        assert_ne!(second.stand_ins.s3.base_url(), place);
        let page = PageRequest { limit: 100, position: Position::Page(1) };
        let products = PgCatalogue::new(database.clone());
        let products =
            products.products(&ProductFilter::default(), ProductSort::Newest, &page).await.unwrap();
        assert_eq!(products.items.len() as u64, demo::PRODUCTS);
        for product in products.items {
            let [picture] = &product.details.images[..] else { panic!("{product:?}") };
            let key = picture.strip_prefix(&format!("{}/", second.stand_ins.s3.cdn_base_url())).unwrap();
            assert!(home.path().join("s3/spicyjump").join(key).is_file(), "{picture}");
        }
        drop(database);
        second.stand_ins.stop().await.unwrap();
    }
}
