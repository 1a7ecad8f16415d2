use super::*;
use crate::{
    locale::Locale,
    money::Currency,
    testing::sample::{NOW, WINDOW, request, usd},
};

fn product(id: i64) -> ProductId {
    ProductId::new(id).unwrap()
}

fn offer(price: Money, available: i64) -> Offer {
    let seller_id = UserId::new(1).unwrap();
    Offer { seller_id, name: "김치".into(), price, published: true, available }
}

fn buyer() -> Recipient {
    Recipient { email: "hana@shop.example".into(), name: "하나".into(), locale: Locale::Ko }
}

fn asked(wanted: &[(i64, u32)]) -> OrderRequest {
    let wanted: Vec<_> = wanted.iter().map(|(id, quantity)| (product(*id), *quantity)).collect();
    request(UserId::new(2).unwrap(), &wanted)
}

fn place(request: &OrderRequest, offers: &mut BTreeMap<ProductId, Offer>) -> Result<PlacedOrder, Refusal> {
    allocate(OrderId::new(7).unwrap(), request, &buyer(), offers)
}

fn line(id: i64, quantity: u32, shown_prices: &[(i64, u32)]) -> CartLine {
    let shown =
        shown_prices.iter().map(|(digits, decimals)| Decimal { digits: *digits, decimals: *decimals });
    CartLine { product_id: product(id), quantity, shown_prices: shown.collect() }
}

#[test]
fn a_cart_sums_the_lines_of_a_product_before_they_are_checked() {
    let cart = Cart::new([line(2, 3, &[]), line(1, 1, &[(15, 0)]), line(2, 4, &[(100, 2)])]).unwrap();
    let lines: Vec<_> = cart.lines().cloned().collect();
    assert_eq!(lines, [line(1, 1, &[(15, 0)]), line(2, 7, &[(100, 2)])]);
    // Each of the two lines alone would fit.
    let mut offers = BTreeMap::from([(product(1), offer(usd(100), 5))]);
    let twice = Cart::new([line(1, 3, &[]), line(1, 3, &[])]).unwrap();
    let request = OrderRequest { cart: twice, ..asked(&[(1, 1)]) };
    let short = Shortage { product_id: product(1), requested: 6, available: 5 };
    assert_eq!(place(&request, &mut offers), Err(Refusal::OutOfStock(vec![short])));
}

#[test]
fn a_cart_has_lines_with_quantities_in_range() {
    assert_eq!(Cart::new([]), Err(CartError::Empty));
    assert_eq!(Cart::new([line(1, 1, &[]), line(2, 0, &[])]), Err(CartError::Quantity(1)));
    assert_eq!(Cart::new([line(1, MAX_QUANTITY, &[]), line(1, 1, &[])]), Err(CartError::Quantity(1)));
    assert_eq!(Cart::new([line(1, u32::MAX, &[])]), Err(CartError::Quantity(0)));
    assert!(Cart::new([line(1, MAX_QUANTITY, &[])]).is_ok());
}

#[test]
fn an_order_keeps_what_was_offered_and_takes_its_pieces() {
    let mut offers = BTreeMap::from([(product(1), offer(usd(1_500), 3)), (product(2), offer(usd(1), 9))]);
    let PlacedOrder { order, mail } = place(&asked(&[(1, 3), (2, 4)]), &mut offers).unwrap();
    assert_eq!((order.total, order.refunded), (usd(4_504), usd(0)));
    assert_eq!(order.lines[0].line_total, usd(4_500));
    assert_eq!((order.status, order.payment_status), (OrderStatus::Pending, PaymentStatus::Unpaid));
    assert_eq!((order.expires_at, order.holds_stock, order.version), (Some(NOW + WINDOW), true, 1));
    assert_eq!(order.history.len(), 1);
    assert_eq!(mail, None);
    assert_eq!(offers.values().map(|offer| offer.available).collect::<Vec<_>>(), [0, 5]);
}

#[test]
fn an_order_of_nothing_to_pay_is_paid_at_once() {
    let mut offers = BTreeMap::from([(product(1), offer(usd(0), 3))]);
    let PlacedOrder { order, mail } = place(&asked(&[(1, 1)]), &mut offers).unwrap();
    assert_eq!((order.status, order.payment_status), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!((order.expires_at, order.settled_by), (None, None));
    assert!(matches!(mail.unwrap().content, MailContent::OrderConfirmation { .. }));
}

#[test]
fn refusals_name_everything_that_is_wrong_and_take_nothing() {
    let won = |minor| Money::new(minor, Currency::Krw).unwrap();
    let hidden = Offer { published: false, ..offer(usd(100), 5) };
    let huge = Money::new(9_999_999_999, Currency::Usd).unwrap();
    let offers = BTreeMap::from([
        (product(1), offer(usd(1_500), 2)),
        (product(2), offer(usd(100), 0)),
        (product(3), hidden),
        (product(4), offer(won(15_000), 5)),
        (product(5), offer(huge, 9_999)),
        (product(6), offer(Money::new(i64::MAX / 2, Currency::Usd).unwrap(), 9_999)),
    ]);
    let short = |id, requested, available| Shortage { product_id: product(id), requested, available };
    let with_price = |id, quantity, shown: &[(i64, u32)]| OrderRequest {
        cart: Cart::new([line(id, quantity, shown)]).unwrap(),
        ..asked(&[(1, 1)])
    };
    let changed = |id, price| Err(Refusal::PriceChanged { product_id: product(id), price });
    let cases = [
        (asked(&[(1, 3), (2, 1)]), Err(Refusal::OutOfStock(vec![short(1, 3, 2), short(2, 1, 0)]))),
        (asked(&[(1, 1), (2, 2)]), Err(Refusal::OutOfStock(vec![short(2, 2, 0)]))),
        (asked(&[(1, 1), (3, 1), (9, 1)]), Err(Refusal::Unavailable(vec![product(3), product(9)]))),
        (asked(&[(1, 1), (4, 1)]), Err(Refusal::MixedCurrencies)),
        (with_price(1, 1, &[(15, 0)]), Ok(())),
        (with_price(1, 1, &[(15_000, 3), (1_500, 2)]), Ok(())),
        (with_price(1, 1, &[(1_500, 2), (1_499, 2)]), changed(1, usd(1_500))),
        (with_price(1, 1, &[(15_005, 3)]), Err(Refusal::BadPrice(product(1)))),
        (with_price(4, 1, &[(1_050, 2)]), Err(Refusal::BadPrice(product(4)))),
        (with_price(4, 1, &[(15_000, 0)]), Ok(())),
        (with_price(4, 1, &[(1_500_000, 2)]), Ok(())),
        (with_price(4, 1, &[(150, 0)]), changed(4, won(15_000))),
        // 9,999 of the dearest product still fit; more than `i64` holds does not.
        (asked(&[(5, 9_999)]), Ok(())),
        (asked(&[(6, 3)]), Err(Refusal::TotalOutOfRange)),
        (asked(&[(5, 1), (6, 2)]), Err(Refusal::TotalOutOfRange)),
    ];
    for (request, wanted) in cases {
        let mut left = offers.clone();
        let outcome = place(&request, &mut left);
        assert_eq!(outcome.as_ref().map(drop), wanted.as_ref().map(drop), "{:?}", request.cart);
        assert_eq!(outcome.is_err(), left == offers, "{:?}", request.cart);
    }
}

#[test]
fn a_short_order_does_not_hurt_its_neighbours_in_a_batch() {
    let mut offers = BTreeMap::from([(product(1), offer(usd(100), 5)), (product(2), offer(usd(100), 1))]);
    let batch = [&[(1, 2)][..], &[(1, 4)], &[(1, 1), (2, 2)], &[(1, 3)], &[(1, 1)], &[(2, 1)]];
    let placed = batch.map(|wanted| place(&asked(wanted), &mut offers).is_ok());
    assert_eq!(placed, [true, false, false, true, false, true]);
    assert!(offers.values().all(|offer| offer.available == 0));
}

proptest::proptest! {
    #[test]
    fn whatever_is_asked_for_is_taken_whole_or_not_at_all(
        stock in proptest::collection::vec(0_i64..20, 3),
        carts in proptest::collection::vec(proptest::collection::vec((1_i64..4, 1_u32..9), 1..4), 1..12),
    ) {
        let mut offers: BTreeMap<_, _> =
            (1..).zip(&stock).map(|(id, pieces)| (product(id), offer(usd(id), *pieces))).collect();
        let mut sold = BTreeMap::new();
        for cart in carts {
            let Ok(placed) = place(&asked(&cart), &mut offers) else { continue };
            let lines = &placed.order.lines;
            proptest::prop_assert!(lines.windows(2).all(|pair| pair[0].product_id < pair[1].product_id));
            let sum: i64 = lines.iter().map(|l| l.unit_price.minor() * i64::from(l.quantity)).sum();
            proptest::prop_assert_eq!(sum, placed.order.total.minor());
            for line in lines {
                *sold.entry(line.product_id).or_insert(0) += i64::from(line.quantity);
            }
        }
        for ((id, offer), opening) in offers.iter().zip(&stock) {
            proptest::prop_assert!(offer.available >= 0);
            proptest::prop_assert_eq!(offer.available + sold.get(id).unwrap_or(&0), *opening);
        }
    }
}
