//! One shop, its provider, the people, and everything that is under way.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use spicyjump_domain::{
    account::{Actor, Role},
    caretaker::Caretaker,
    clock::Clock,
    gateway::{IntentStatus, ProviderEvent, RefundStatus, WebhookError, WebhookVerifier},
    ids::ProductId,
    money::{Currency, Money},
    order::{HistoryEntry, OrderStatus},
    orders::{OrderDesk, Orders},
    payment::{OrderBook, Refund},
    payments::{Minimums, Payments},
    placing::PlaceOrder,
    testing::{FakeGateway, FixedClock, MemoryShop},
    upkeep::Policy,
    webhooks::Webhooks,
};
use time::{Duration, OffsetDateTime};

use crate::{bugs::Bug, invariants, moves, ports::Ports, rng::Rng};

/// Moves of one history before everything is brought to an end.
const MOVES: usize = 120;

/// Rounds within which the shop must come to rest.
const ROUNDS: usize = 150;

/// A use case under way. `Err` where it failed for a reason of ours.
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) run: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
    /// The event that it delivers: comes again unless it ends well.
    pub(crate) delivers: Option<String>,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) place: Arc<PlaceOrder>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) payments: Payments,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) caretaker: Caretaker,
    pub(crate) buyer: Actor,
    pub(crate) sellers: Vec<Actor>,
    pub(crate) admin: Actor,
    /// Products, and pieces that ever came.
    pub(crate) products: Vec<(ProductId, i64)>,
    pub(crate) tasks: Vec<Task>,
    /// Events on their way to us.
    pub(crate) mailbox: Vec<String>,
    collected: usize,
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let clock = Arc::new(FixedClock::default());
        let shop = MemoryShop::new(clock.clone());
        let actor = |role| Actor { id: shop.add_person(role), role };
        let (buyer, admin) = (actor(Role::Buyer), actor(Role::Admin));
        let sellers = vec![actor(Role::Seller), actor(Role::Seller)];
        let mut products = vec![];
        for seller in [0, 0, 1] {
            let stock = 1 + rng.below(4);
            let price = Money::new(100 * (1 + i64::try_from(rng.below(5)).unwrap()), Currency::Usd).unwrap();
            let stock = i64::try_from(stock).unwrap();
            products.push((shop.add_product(sellers[seller].id, price, stock), stock));
        }
        let gateway = FakeGateway::new(clock.clone());
        let ports = Arc::new(Ports { shop, gateway, clock: clock.clone(), bug, journal: Mutex::default() });
        let policy = Policy { payment_window: Duration::minutes(30), reconcile_after: Duration::minutes(5) };
        let desk = OrderDesk { store: ports.clone(), clock: clock.clone(), policy };
        let minimums = Minimums { usd: 50, krw: 50, eur: 50 };
        let payments =
            Payments { desk: desk.clone(), gateway: ports.clone(), links: ports.clone(), minimums };
        Self {
            rng,
            place: Arc::new(PlaceOrder {
                orders: ports.clone(),
                clock: clock.clone(),
                payment_window: policy.payment_window,
            }),
            orders: Arc::new(Orders { desk: desk.clone() }),
            webhooks: Arc::new(Webhooks {
                desk,
                verifier: Arc::new(Verifier(ports.clone())),
                clock: clock.clone(),
            }),
            caretaker: Caretaker { payments: payments.clone(), retry_after: Duration::seconds(30) },
            payments,
            clock,
            ports,
            buyer,
            sellers,
            admin,
            products,
            tasks: vec![],
            mailbox: vec![],
            collected: 0,
            trace,
        }
    }

    /// Lives through a history of its own and brings it to an end; says which steps orders took, or what went wrong.
    pub(crate) fn run(mut self) -> Result<BTreeSet<String>, String> {
        moves::place(&mut self);
        for _ in 0..MOVES {
            moves::any(&mut self);
            self.collect_events();
            self.look_for_problems()?;
        }
        self.come_to_rest()?;
        invariants::at_rest(&self.ports, &self.products)?;
        Ok(self.ports.shop.each_book(steps).concat().into_iter().collect())
    }

    #[expect(clippy::print_stdout, reason = "shown only with a counterexample")]
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{} {}", self.clock.now().time(), what());
        }
    }

    pub(crate) fn start(
        &mut self,
        name: impl FnOnce() -> String,
        run: impl Future<Output = Result<(), String>> + Send + 'static,
    ) {
        let name = if self.trace { name() } else { String::new() };
        self.say(|| format!("start {name}"));
        self.tasks.push(Task { name, run: Box::pin(run), delivers: None });
    }

    pub(crate) fn deliver(&mut self, event: String) {
        let (webhooks, body) = (self.webhooks.clone(), event.clone());
        let run = async move {
            webhooks
                .receive(body.as_bytes(), FakeGateway::SIGNATURE)
                .await
                .map(drop)
                .map_err(|e| format!("{e:?}"))
        };
        self.start(|| format!("deliver {event}"), run);
        if let Some(task) = self.tasks.last_mut() {
            task.delivers = Some(event);
        }
    }

    /// Lets a task go on to its next call.
    pub(crate) fn go_on(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        let Poll::Ready(outcome) = task.run.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return;
        };
        let task = self.tasks.swap_remove(index);
        self.say(|| format!("  end {}: {outcome:?}", task.name));
        if outcome.is_err() {
            self.mailbox.extend(task.delivers);
        }
    }

    /// The process of a task dies.
    pub(crate) fn crash(&mut self, index: usize) {
        let task = self.tasks.swap_remove(index);
        self.say(|| format!("  crash {}", task.name));
        self.mailbox.extend(task.delivers);
    }

    fn finish(&mut self) {
        while !self.tasks.is_empty() {
            self.go_on(0);
        }
    }

    fn collect_events(&mut self) {
        let new = self.ports.gateway.events(self.collected);
        self.collected += new.len();
        for event in new {
            self.say(|| format!("  event {} {} {:?}", event.id, event.kind, event.fact));
            self.mailbox.push(event.id);
        }
    }

    fn look_for_problems(&self) -> Result<(), String> {
        self.ports.journal().problem.take().map_or(Ok(()), Err)
    }

    /// Nothing fails any more; banks decide, events arrive, time passes, until nothing is left to be done.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.say(|| "come to rest".into());
        self.ports.journal().faults.clear();
        self.ports.gateway.clear_faults();
        self.finish();
        for _ in 0..ROUNDS {
            self.let_banks_decide();
            self.collect_events();
            while !self.mailbox.is_empty() {
                let event = self.mailbox.swap_remove(self.rng.below(self.mailbox.len()));
                self.deliver(event);
                self.finish();
                self.look_for_problems()?;
            }
            moves::upkeep(self);
            self.finish();
            self.collect_events();
            self.look_for_problems()?;
            if self.mailbox.is_empty() {
                match self.ports.shop.next_due_at() {
                    None => return Ok(()),
                    Some(at) => self.clock.advance((at - self.clock.now()).max(Duration::ZERO)),
                }
            }
        }
        Err("the shop never comes to rest".into())
    }

    fn let_banks_decide(&mut self) {
        let gateway = &self.ports.gateway;
        for intent in gateway.intents().iter().filter(|intent| intent.status == IntentStatus::Processing) {
            gateway.conclude(&intent.id, moves::end(&mut self.rng));
        }
        for refund in gateway.refunds().iter().filter(|refund| refund.status == RefundStatus::Pending) {
            let fails = self.rng.one_in(5);
            gateway.settle_refund(
                &refund.id,
                if fails { RefundStatus::Failed } else { RefundStatus::Succeeded },
            );
        }
        for dispute in gateway.disputes() {
            gateway.close_dispute(&dispute.id, self.rng.one_in(2));
        }
    }
}

/// What an order went through, in words.
fn steps(book: &OrderBook) -> Vec<String> {
    let step = |entry: &HistoryEntry| {
        format!("{} to {}: {}", entry.from.map_or("none", OrderStatus::code), entry.to.code(), entry.reason)
    };
    let refund = |refund: &Refund| {
        let (status, reason) = (&refund.status, refund.reason.as_deref().unwrap_or("asked for"));
        format!("refund {status:?}: {reason}{}", if refund.restocked { ", restocked" } else { "" })
    };
    book.order.history.iter().map(step).chain(book.refunds.iter().map(refund)).collect()
}

/// Webhooks are read by the provider itself.
struct Verifier(Arc<Ports>);

impl WebhookVerifier for Verifier {
    fn verify(
        &self,
        body: &[u8],
        signature: &str,
        now: OffsetDateTime,
    ) -> Result<ProviderEvent, WebhookError> {
        self.0.gateway.verify(body, signature, now)
    }

    fn parse(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        self.0.gateway.parse(body)
    }
}
