//! What can happen next.

use spicyjump_domain::{
    gateway::{DeclineReason, ProviderAmount, ProviderFact, RefundStatus, WebhookVerifier},
    ids::PaymentId,
    money::{Currency, Money},
    order::{Order, Shipment, ShippingAddress},
    payment::OrderBook,
    placing::{Cart, CartLine},
    settlement::RefundRequest,
    testing::{FakeIntent, Fault, Outcome},
};
use time::Duration;
use uuid::Uuid;

use crate::{rng::Rng, world::World};

type Move = fn(&mut World);

/// What can begin, and how often it does in comparison.
const MOVES: [(usize, Move); 15] = [
    (24, webhook),
    (14, pay),
    (14, buyer_acts_in_the_browser),
    (9, pass_time),
    (10, upkeep),
    (6, place),
    (6, cancel),
    (9, refund),
    (5, fulfil),
    (6, refunds_move_at_the_bank),
    (5, dispute),
    (5, dashboard_refund),
    (9, something_breaks),
    (3, change_stock),
    (2, reconcile),
];

/// Something goes on, something dies, or something begins, if it makes sense just now.
pub(crate) fn any(world: &mut World) {
    if !world.tasks.is_empty() && (world.tasks.len() > 3 || !world.rng.one_in(3)) {
        let index = world.rng.below(world.tasks.len());
        if world.rng.one_in(40) { world.crash(index) } else { world.go_on(index) }
    } else if world.rng.one_in(60) {
        pay_elsewhere(world);
    } else {
        let mut at = world.rng.below(MOVES.iter().map(|(weight, _)| weight).sum());
        let chosen = MOVES.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        chosen.unwrap().1(world);
    }
}

fn an_order(world: &mut World) -> Option<Order> {
    let ids = world.ports.shop.each_book(|book| book.order.id);
    let id = *world.rng.pick(&ids)?;
    world.ports.shop.book(id).map(|book| book.order)
}

/// A payment and what was captured by it.
fn a_payment(world: &mut World) -> Option<(PaymentId, Money)> {
    let of_book = |book: &OrderBook| book.payments.iter().map(|p| (p.id, p.captured)).collect::<Vec<_>>();
    let payments = world.ports.shop.each_book(of_book).concat();
    world.rng.pick(&payments).copied()
}

/// An idempotency claim; often one that came before.
fn a_claim(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(rng.below(4) as u128 + 1)
}

pub(crate) fn place(world: &mut World) {
    let mut lines = vec![];
    for _ in 0..=world.rng.below(2) {
        let product_id = world.products[world.rng.below(world.products.len())].0;
        let quantity = u32::try_from(1 + world.rng.below(2)).unwrap();
        lines.push(CartLine { product_id, quantity, shown_prices: vec![] });
    }
    let address = ShippingAddress {
        recipient: String::new(),
        phone: String::new(),
        line1: String::new(),
        line2: None,
        city: String::new(),
        region: None,
        postal_code: String::new(),
        country: "KR".into(),
    };
    let (place, buyer, cart) = (world.place.clone(), world.buyer, Cart::new(lines).unwrap());
    let name = format!("place {cart:?}");
    world.start(|| name, async move { told(place.run(buyer, cart, address, None, None).await) });
}

fn told<T, E: std::fmt::Debug>(outcome: Result<T, E>) -> Result<(), String> {
    outcome.map(drop).map_err(|error| format!("{error:?}"))
}

fn pay(world: &mut World) {
    let Some(order) = an_order(world) else { return };
    let methods = [
        None,
        Some("pm_card_visa"),
        Some("pm_card_visa"),
        Some("pm_card_visa_chargeDeclined"),
        Some("pm_card_authenticationRequired"),
        Some("pm_usBankAccount"),
    ];
    let method = methods[world.rng.below(methods.len())];
    // A key belongs to one body: the method is part of it.
    let claim = Uuid::from_u128(a_claim(&mut world.rng).as_u128() * 16 + method.map_or(0, str::len) as u128);
    let (payments, buyer) = (world.payments.clone(), world.buyer);
    world.start(|| format!("pay {} by {method:?} ({claim})", order.number), async move {
        told(payments.start(buyer, order.id, method, Some(claim)).await)
    });
}

/// How an attempt ends.
pub(crate) fn end(rng: &mut Rng) -> Outcome {
    if rng.one_in(3) { Outcome::IsDeclined(DeclineReason::InsufficientFunds) } else { Outcome::Succeeds }
}

/// Intents that our books know: buyers have no secret of others, banks and the dashboard act on them only later.
fn known_intents(world: &World) -> Vec<FakeIntent> {
    let of_book =
        |book: &OrderBook| book.payments.iter().filter_map(|p| p.intent_id.clone()).collect::<Vec<_>>();
    let known = world.ports.shop.each_book(of_book).concat();
    let mut intents = world.ports.gateway.intents();
    intents.retain(|intent| known.contains(&intent.id));
    intents
}

fn buyer_acts_in_the_browser(world: &mut World) {
    let open: Vec<_> = known_intents(world).into_iter().filter(FakeIntent::is_open).collect();
    let Some(intent) = world.rng.pick(&open) else { return };
    let outcome = match world.rng.below(6) {
        0 if intent.waits_for_the_buyer() => Outcome::NeedsAction,
        1 if intent.waits_for_the_buyer() => Outcome::TakesTime,
        _ => end(&mut world.rng),
    };
    world.say(|| format!("buyer: {} {outcome:?}", intent.id));
    world.ports.gateway.conclude(&intent.id, outcome);
}

fn pass_time(world: &mut World) {
    let steps = [
        Duration::milliseconds(300),
        Duration::seconds(40),
        Duration::minutes(6),
        Duration::minutes(31),
        Duration::minutes(31),
        Duration::hours(7),
        Duration::hours(25),
    ];
    let by = steps[world.rng.below(steps.len())];
    world.say(|| format!("time passes: {by}"));
    // Nothing is under way for hours: requests time out, and the provider forgets keys only after a day.
    while by > Duration::HOUR && !world.tasks.is_empty() {
        world.crash(0);
    }
    world.clock.advance(by);
}

pub(crate) fn upkeep(world: &mut World) {
    let caretaker = world.caretaker.clone();
    world.start(|| "upkeep".into(), async move {
        let due = caretaker.due(10).await.map_err(|error| format!("{error:?}"))?;
        let mut failed = vec![];
        for id in due {
            failed.extend(caretaker.attend(id).await.outcome.err().map(|error| format!("{id}: {error:?}")));
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
    });
}

fn reconcile(world: &mut World) {
    let Some(order) = an_order(world) else { return };
    let caretaker = world.caretaker.clone();
    world.start(|| format!("reconcile {}", order.number), async move {
        told(caretaker.reconcile(order.id).await)
    });
}

fn cancel(world: &mut World) {
    let Some(order) = an_order(world) else { return };
    let (orders, buyer) = (world.orders.clone(), world.buyer);
    world.start(
        || format!("cancel {}", order.number),
        async move { told(orders.cancel(buyer, order.id).await) },
    );
}

fn fulfil(world: &mut World) {
    let Some(order) = an_order(world) else { return };
    let sellers = [world.sellers[0], world.sellers[1], world.admin];
    let (orders, seller) = (world.orders.clone(), sellers[world.rng.below(3)]);
    let shipment = Shipment { carrier: "CJ".into(), tracking_number: "1".into() };
    if world.rng.one_in(2) {
        world.start(|| format!("ship {} by {}", order.number, seller.id), async move {
            told(orders.ship(seller, order.id, &shipment).await)
        });
    } else {
        world.start(|| format!("deliver {} by {}", order.number, seller.id), async move {
            told(orders.deliver(seller, order.id).await)
        });
    }
}

fn refund(world: &mut World) {
    let Some((payment, captured)) = a_payment(world) else { return };
    let part = Money::new(captured.minor() / 2 + 1, Currency::Usd).unwrap();
    let amount = if world.rng.one_in(2) { Some(part) } else { None };
    let restock = amount.is_none() && world.rng.one_in(2);
    let request = RefundRequest { amount, reason: None, restock };
    // A key belongs to one body, and to one payment: the path.
    let claim =
        a_claim(&mut world.rng).as_u128() * 4 + u128::from(amount.is_some()) * 2 + u128::from(restock);
    let claim = Uuid::from_u128(claim * 1_000 + u128::try_from(payment.get()).unwrap());
    let claim = if world.rng.one_in(3) { None } else { Some(claim) };
    let (payments, admin) = (world.payments.clone(), world.admin);
    world.start(|| format!("refund {request:?} of payment {payment} ({claim:?})"), {
        let request = request.clone();
        async move { told(payments.refund(admin, payment, &request, claim).await) }
    });
}

fn refunds_move_at_the_bank(world: &mut World) {
    if world.rng.one_in(3) {
        let slowly = world.rng.one_in(2);
        world.ports.gateway.let_refunds_take_time(slowly);
        return;
    }
    let refunds = world.ports.gateway.refunds();
    let Some(refund) = world.rng.pick(&refunds) else { return };
    let fails = world.rng.one_in(3);
    let status = if fails { RefundStatus::Failed } else { RefundStatus::Succeeded };
    world.say(|| format!("bank: {} {status:?}", refund.id));
    world.ports.gateway.settle_refund(&refund.id, status);
}

fn dispute(world: &mut World) {
    let disputes = world.ports.gateway.disputes();
    if let Some(dispute) = world.rng.pick(&disputes)
        && world.rng.one_in(2)
    {
        let won = world.rng.one_in(2);
        world.say(|| format!("bank: {} won: {won}", dispute.id));
        world.ports.gateway.close_dispute(&dispute.id, won);
        return;
    }
    let intents = known_intents(world);
    if let Some(intent) = world.rng.pick(&intents) {
        world.say(|| format!("bank: dispute of {}", intent.id));
        world.ports.gateway.open_dispute(&intent.id);
    }
}

fn dashboard_refund(world: &mut World) {
    let intents = known_intents(world);
    let Some(intent) = world.rng.pick(&intents) else { return };
    if intent.received_minor == 0 {
        return;
    }
    let minor = if world.rng.one_in(3) { intent.received_minor } else { 1 + intent.received_minor / 3 };
    world.say(|| format!("dashboard: {minor} of {}", intent.id));
    world.ports.gateway.refund_at_dashboard(&intent.id, minor);
}

fn something_breaks(world: &mut World) {
    let fault = match world.rng.below(5) {
        0 | 1 => Fault::Before,
        2 | 3 => Fault::After,
        _ => Fault::Rejected,
    };
    world.say(|| format!("break {fault:?}"));
    if world.rng.one_in(2) {
        world.ports.gateway.fail_next(fault);
    } else {
        world.ports.journal().faults.push_back(fault);
    }
}

fn change_stock(world: &mut World) {
    let index = world.rng.below(world.products.len());
    let delta = [-1, 1, 2][world.rng.below(3)];
    let (product, pieces) = &mut world.products[index];
    if world.ports.shop.change_stock(*product, delta) {
        *pieces += delta;
    }
}

/// Money comes by an intent of the same order that we never made, sometimes of another amount.
fn pay_elsewhere(world: &mut World) {
    let Some(order) = an_order(world) else { return };
    let wrong = i64::from(world.rng.one_in(3));
    let amount = ProviderAmount { minor: order.total.minor() + wrong, currency: "usd".into() };
    world.say(|| format!("elsewhere: {amount:?} for {}", order.number));
    let stray = world.ports.gateway.pay_elsewhere(&order, amount);
    world.ports.journal().strays.insert(stray);
}

/// An event arrives, arrives again, or is lost if we would ask about it anyway.
fn webhook(world: &mut World) {
    if world.mailbox.is_empty() {
        return;
    }
    let index = world.rng.below(world.mailbox.len());
    match world.rng.below(12) {
        0 => {
            let event = world.mailbox[index].clone();
            world.mailbox.push(event);
        }
        1 if is_asked_about_anyway(world, index) => {
            let event = world.mailbox.swap_remove(index);
            world.say(|| format!("lost: {event}"));
        }
        _ => {
            let event = world.mailbox.swap_remove(index);
            world.deliver(event);
        }
    }
}

/// Open payments and our own refunds are asked about; what others do with paid money comes only by events, which the
/// provider repeats for days.
fn is_asked_about_anyway(world: &World, index: usize) -> bool {
    match world.ports.gateway.parse(world.mailbox[index].as_bytes()).map(|event| event.fact) {
        Ok(ProviderFact::Intent(report)) => {
            known_intents(world).iter().any(|intent| intent.id == report.intent_id)
        }
        _ => false,
    }
}
