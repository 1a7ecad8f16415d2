use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use time::OffsetDateTime;

use crate::{
    account::{Role, User},
    catalogue::{Product, ProductDetails, ProductStatus},
    clock::Clock,
    failure::StoreFailure,
    idempotency::OnceKey,
    ids::{MailId, OrderId, ProductId, UserId},
    locale::Locale,
    mail::{Mail, MailStatus, Recipient},
    money::Money,
    payment::{EventRecord, LedgerEntry, OrderBook},
};

mod accounts;
mod fixture;
mod idempotency;
mod orders;
mod placement;

/// Every store port over one mutex.
pub struct MemoryShop {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: i64,
    people: BTreeMap<UserId, Person>,
    sessions: accounts::Sessions,
    products: BTreeMap<ProductId, Product>,
    /// Opening, changes, sold and returned pieces: their sum is the stock.
    movements: Vec<(ProductId, i64)>,
    orders: BTreeMap<OrderId, StoredOrder>,
    unreadable: BTreeSet<OrderId>,
    ledger: Vec<LedgerEntry>,
    events: BTreeMap<String, EventRecord>,
    /// Those that were about nothing of ours, in the order in which they came.
    foreign_events: Vec<String>,
    once: BTreeMap<OnceKey, idempotency::Record>,
    mails: Vec<StoredMail>,
}

struct Person {
    user: User,
    password_hash: String,
}

struct StoredOrder {
    book: OrderBook,
    due_at: Option<OffsetDateTime>,
}

/// A mail in the outbox.
#[derive(Clone, Debug)]
pub struct StoredMail {
    /// The row.
    pub id: MailId,
    /// Whom and what.
    pub mail: Mail,
    /// Where it stands.
    pub status: MailStatus,
    /// Tries so far.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: OffsetDateTime,
    /// When it is due.
    pub due_at: OffsetDateTime,
}

/// What a database would refuse by a constraint: a defect of the rules, never a buyer's fault.
fn broken(constraint: &str) -> StoreFailure {
    StoreFailure::Unexpected(format!("constraint violated: {constraint}").into())
}

impl State {
    fn next_id<T>(&mut self, new: fn(i64) -> Option<T>) -> T {
        self.last_id += 1;
        new(self.last_id).unwrap()
    }

    fn move_stock(&mut self, id: ProductId, delta: i64) -> Result<(), StoreFailure> {
        let product = self.products.get_mut(&id).ok_or_else(|| broken("stock of a product"))?;
        let left = product.stock_quantity.checked_add(delta).filter(|left| *left >= 0);
        product.stock_quantity = left.ok_or_else(|| broken("stock_never_negative"))?;
        self.movements.push((id, delta));
        Ok(())
    }

    fn queue(&mut self, mail: Mail, now: OffsetDateTime) {
        let id = self.next_id(MailId::new);
        self.mails.push(StoredMail {
            id,
            mail,
            status: MailStatus::Pending,
            attempts: 0,
            last_error: None,
            created_at: now,
            due_at: now,
        });
    }
}

impl MemoryShop {
    /// An empty shop that tells the time by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        super::locked(&self.state)
    }

    /// Adds a person of this role.
    pub fn add_person(&self, role: Role) -> UserId {
        let mut state = self.state();
        let id = state.next_id(UserId::new);
        let user = User {
            id,
            email: format!("person{id}@shop.example"),
            name: format!("Person {id}"),
            role,
            locale: Locale::En,
            created_at: self.clock.now(),
        };
        state.people.insert(id, Person { user, password_hash: String::new() });
        id
    }

    /// Adds a published product with opening stock.
    pub fn add_product(&self, seller_id: UserId, price: Money, stock: i64) -> ProductId {
        let mut state = self.state();
        let id = state.next_id(ProductId::new);
        let details = ProductDetails {
            category_id: None,
            name: format!("Product {id}"),
            name_en: None,
            description: None,
            description_en: None,
            price,
            status: ProductStatus::Published,
            images: vec![],
        };
        let now = self.clock.now();
        let product = Product {
            id,
            seller_id,
            details,
            stock_quantity: stock,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        state.products.insert(id, product);
        state.movements.push((id, stock));
        id
    }

    /// Pieces of a product, and the sum of its movements, which must be the same.
    pub fn stock_of(&self, id: ProductId) -> (i64, i64) {
        let state = self.state();
        let available = state.products.get(&id).map_or(0, |product| product.stock_quantity);
        (available, state.movements.iter().filter(|(of, _)| *of == id).map(|(_, delta)| delta).sum())
    }

    /// Adds pieces or takes them away, as their seller does; `false`, and nothing, where too few are there.
    pub fn change_stock(&self, id: ProductId, delta: i64) -> bool {
        self.state().move_stock(id, delta).is_ok()
    }

    /// The order's books.
    pub fn book(&self, id: OrderId) -> Option<OrderBook> {
        self.state().orders.get(&id).map(|order| order.book.clone())
    }

    /// Every order's books, by id.
    pub fn books(&self) -> Vec<OrderBook> {
        self.each_book(OrderBook::clone)
    }

    /// What `of` finds in the books of each order, by id.
    pub fn each_book<T>(&self, of: impl FnMut(&OrderBook) -> T) -> Vec<T> {
        self.state().orders.values().map(|order| &order.book).map(of).collect()
    }

    /// Makes an order unreadable, as a row is that a newer program wrote.
    pub fn poison(&self, id: OrderId) {
        self.state().unreadable.insert(id);
    }

    /// When the next order is due.
    pub fn next_due_at(&self) -> Option<OffsetDateTime> {
        self.state().orders.values().filter_map(|order| order.due_at).min()
    }

    /// Every fact about money, oldest first.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state().ledger.clone()
    }

    /// Every mail, oldest first.
    pub fn mails(&self) -> Vec<StoredMail> {
        self.state().mails.clone()
    }

    /// The recipient that mails about a person's orders go to.
    fn recipient(state: &State, id: UserId) -> Result<Recipient, StoreFailure> {
        let user = &state.people.get(&id).ok_or_else(|| broken("orders have a buyer"))?.user;
        Ok(Recipient { email: user.email.clone(), name: user.name.clone(), locale: user.locale })
    }
}
