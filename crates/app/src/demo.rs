//! The demo shop: people who can log in, categories, goods with pictures.
//!
//! The same shop whenever it is made, so that making it twice adds nothing. Its passwords are in this file for everyone
//! to read, so only a private database gets its administrator too: buyers and sellers are what anybody can register as.

mod goods;
mod picture;

use std::io::{self, Write as _};

use spicyjump_domain::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, PasswordHasher as _, SecretTokens as _, StoredToken},
    catalogue::{
        CatalogueStore, CategoryDetails, CategoryError, NewProduct, ProductDetails, ProductFilter,
        ProductSort, ProductStatus, SaveProductError,
    },
    clock::Clock as _,
    failure::StoreFailure,
    ids::{CategoryId, UserId},
    images::{ImageKey, ImageStore, ImageType},
    locale::Locale,
    money::Money,
    paging::{PageRequest, Position},
};
use spicyjump_http::{cdn_base::CdnBase, passwords::Argon2Passwords, secret_tokens::RandomTokens};
use spicyjump_postgres::{Database, PgAccounts, PgCatalogue};
use spicyjump_s3::S3ImageStore;
use uuid::Uuid;

use self::goods::{CATEGORIES, GOODS, Good};
use crate::{clock::SystemClock, failure::Failure, progress::Progress};

/// Somebody who can log in.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) email: &'static str,
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) locale: Locale,
}

/// The password of all of them.
pub(crate) const PASSWORD: &str = "spicyjump1!";

/// Who is in every demo shop.
pub(crate) const LOGINS: &[Login] = PRIVATE_LOGINS.split_at(2).0;

/// Who is in the demo shop of a private database: one of each role.
pub(crate) const PRIVATE_LOGINS: &[Login] = &[
    Login { email: "buyer@example.com", name: "김하늘", role: Role::Buyer, locale: Locale::Ko },
    Login { email: "seller@example.com", name: "Seoul Pantry", role: Role::Seller, locale: Locale::En },
    Login { email: "admin@example.com", name: "Admin", role: Role::Admin, locale: Locale::En },
];

/// How many products the shop has by itself; more are made up, and have no pictures.
pub(crate) const PRODUCTS: u64 = GOODS.len() as u64;

/// Where pictures go, and where they are read.
pub(crate) struct Gallery {
    pub(crate) store: S3ImageStore,
    pub(crate) cdn: CdnBase,
}

/// Makes what is missing of the demo shop with these people, up to `products` products; returns how many of its own
/// were missing. Where the image store is away, its goods have no pictures.
///
/// # Errors
/// When the database is away; doing it again goes on from there.
pub(crate) async fn seed(
    database: &Database,
    logins: &[Login],
    mut gallery: Option<&Gallery>,
    products: u64,
) -> Result<u64, Failure> {
    let away = |failure: StoreFailure| Failure::store("demo shop", &failure);
    let seller = people(&PgAccounts::new(database.clone()), logins).await?;
    let catalogue = PgCatalogue::new(database.clone());
    let categories = categories(&catalogue).await?;
    let mut added = 0;
    for (number, good) in (0_u32..).zip(&GOODS).take(usize::try_from(products).unwrap_or(usize::MAX)) {
        if !is_there(&catalogue, seller, good).await.map_err(away)? {
            let image = match gallery {
                Some(gallery) => hang(gallery, good, number).await.map(Some),
                None => Ok(None),
            };
            let image = image.unwrap_or_else(|failure| {
                tracing::warn!("no pictures: {failure}");
                gallery = None; // Each of them would be waited for as long.
                None
            });
            let images = image.into_iter().collect();
            let product = product(seller, good, categories.get(good.category).copied(), images)?;
            add(&catalogue, &product).await?;
            added += 1;
        }
    }
    if products > PRODUCTS {
        let mut progress = Progress::of(products, "products");
        let made = database.seed_products(products, seller, &categories, |made| progress.show(made)).await;
        progress.end();
        made.map_err(away)?;
    }
    Ok(added)
}

/// Makes those who are not there yet; returns the seller.
async fn people(store: &dyn AccountStore, logins: &[Login]) -> Result<UserId, Failure> {
    let away = |failure: StoreFailure| Failure::store("demo shop", &failure);
    let mut seller = None;
    for Login { email, name, role, locale } in logins {
        let user = if let Some((user, _)) = store.by_email(email).await.map_err(away)? {
            Some(user)
        } else {
            let password_hash = Argon2Passwords::new(1).hash(PASSWORD.to_owned()).await;
            let user = NewUser {
                email: (*email).to_owned(),
                password_hash: password_hash.map_err(|error| Failure::because("demo shop", &error))?,
                name: (*name).to_owned(),
                role: *role,
                locale: *locale,
                created_at: SystemClock.now(),
            };
            join(store, &user).await.map_err(away)?
        };
        if let Some(user) = user.filter(|_| *role == Role::Seller) {
            if user.role != Role::Seller {
                return Err(Failure::Run(format!("demo shop: {email} is there already, and no seller")));
            }
            seller = Some(user.id);
        }
    }
    seller.ok_or_else(|| Failure::Run("demo shop: somebody else is making it at the same time".to_owned()))
}

async fn join(store: &dyn AccountStore, user: &NewUser) -> Result<Option<User>, StoreFailure> {
    if user.role == Role::Admin {
        return store.ensure_admin(user).await.map(Some);
    }
    // A session that nobody has the token of, and that is over at once.
    let (_, hash) = RandomTokens.issue();
    let token = StoredToken { hash, family: Uuid::new_v4(), expires_at: user.created_at };
    store.register(user, &token).await
}

/// Makes those that are not there yet; returns all of them, in the order of [`CATEGORIES`].
async fn categories(store: &dyn CatalogueStore) -> Result<Vec<CategoryId>, Failure> {
    let known = store.categories().await.map_err(|failure| Failure::store("demo shop", &failure))?;
    let mut ids = vec![];
    for (name, name_en, _) in CATEGORIES {
        if let Some(category) = known.iter().find(|category| category.name == name) {
            ids.push(category.id);
            continue;
        }
        let details =
            CategoryDetails { name: name.to_owned(), name_en: Some(name_en.to_owned()), parent_id: None };
        let created = store.create_category(&details).await.map_err(|error| match error {
            CategoryError::Store(failure) => Failure::store("demo shop", &failure),
            refused => Failure::because("demo shop", &refused),
        });
        ids.push(created?.id);
    }
    Ok(ids)
}

async fn is_there(store: &dyn CatalogueStore, seller: UserId, good: &Good) -> Result<bool, StoreFailure> {
    // The words of both names, which few of the made-up ones have together.
    let filter = ProductFilter {
        seller_id: Some(seller),
        text: Some([good.name, good.name_en].join(" ")),
        ..ProductFilter::default()
    };
    let page = PageRequest { limit: 100, position: Position::Page(1) };
    let found = store.products(&filter, ProductSort::Newest, &page).await?;
    Ok(found.items.iter().any(|product| product.details.name == good.name))
}

fn product(
    seller_id: UserId,
    good: &Good,
    category_id: Option<CategoryId>,
    images: Vec<String>,
) -> Result<NewProduct, Failure> {
    let price = Money::new(good.price_minor, good.currency);
    let details = ProductDetails {
        category_id,
        name: good.name.to_owned(),
        name_en: Some(good.name_en.to_owned()),
        description: Some(good.description.to_owned()),
        description_en: Some(good.description_en.to_owned()),
        price: price.map_err(|error| Failure::because("demo shop", &error))?,
        status: ProductStatus::Published,
        images,
    };
    Ok(NewProduct { seller_id, details, stock_quantity: good.stock })
}

async fn add(store: &dyn CatalogueStore, product: &NewProduct) -> Result<(), Failure> {
    match store.create(product, SystemClock.now(), None).await {
        Ok(_) => Ok(()),
        Err(SaveProductError::Store(failure)) => Err(Failure::store("demo shop", &failure)),
        Err(error) => Err(Failure::because("demo shop", &error)),
    }
}

/// Draws the good's picture and puts it where browsers find it; returns its address.
async fn hang(gallery: &Gallery, good: &Good, number: u32) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::because("demo pictures", &error);
    let palette = good.palette();
    let draw = move || {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&picture::png(palette, number)?)?;
        Ok(file)
    };
    let file = tokio::task::spawn_blocking(draw).await.map_err(io::Error::other).and_then(|file| file);
    let file = file.map_err(failed)?;
    let key = ImageKey::new(Uuid::new_v4(), good.name_en, ImageType::Png);
    let put = gallery.store.put(&key, ImageType::Png, file.path()).await;
    put.map_err(|error| Failure::because("demo pictures", &error))?;
    Ok(gallery.cdn.url_of(&key))
}
