use super::*;
use crate::{account::Role, ids::UserId, settlement::Draft, testing::case::Case};

fn seller(id: i64) -> Actor {
    Actor { id: UserId::new(id).unwrap(), role: Role::Seller }
}

fn admin() -> Actor {
    Actor { id: UserId::new(99).unwrap(), role: Role::Admin }
}

impl Case {
    fn ship(&mut self, actor: Actor) -> Result<(), FulfilmentError> {
        let shipment = Shipment { carrier: "CJ".into(), tracking_number: "42".into() };
        self.change(|draft| draft.fulfil(|book| ship(book, actor, &shipment)))
    }

    fn deliver(&mut self, actor: Actor) -> Result<(), FulfilmentError> {
        self.change(|draft| draft.fulfil(|book| deliver(book, actor)))
    }

    fn lines(&self) -> Vec<Fulfilment> {
        self.order().lines.iter().map(|line| line.fulfilment).collect()
    }
}

/// Line 1 is of seller 11, line 2 of seller 12.
#[test]
fn each_seller_moves_their_lines_and_the_order_moves_with_the_last_of_them() {
    use Fulfilment::{Delivered, Shipped, Unfulfilled};
    let mut case = Case::paid();
    case.ship(seller(12)).unwrap();
    assert_eq!((case.lines(), case.order().status), (vec![Unfulfilled, Shipped], OrderStatus::Paid));
    // Theirs can arrive before the other's has left.
    case.deliver(seller(12)).unwrap();
    assert_eq!((case.lines(), case.order().status), (vec![Unfulfilled, Delivered], OrderStatus::Paid));
    case.ship(seller(11)).unwrap();
    assert_eq!((case.lines(), case.order().status), (vec![Shipped, Delivered], OrderStatus::Shipped));
    case.deliver(seller(11)).unwrap();
    assert_eq!((case.lines(), case.order().status), (vec![Delivered, Delivered], OrderStatus::Delivered));
    let steps: Vec<_> = case.order().history.iter().map(|entry| entry.reason.as_str()).collect();
    assert_eq!(steps, ["placed", "payment_succeeded", "shipped", "delivered"]);
}

#[test]
fn the_buyer_is_told_which_lines_are_on_their_way() {
    let mut case = Case::paid();
    case.ship(seller(11)).unwrap();
    let Some(MailContent::Shipped { lines, carrier, tracking_number, .. }) = case.mails.last() else {
        panic!("{:?}", case.mails);
    };
    assert_eq!((carrier.as_str(), tracking_number.as_str()), ("CJ", "42"));
    assert_eq!(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["by 11"]);
    assert_eq!(case.order().lines[0].shipment.as_ref().unwrap().tracking_number, "42");
    assert_eq!(case.order().lines[1].shipment, None);
}

#[test]
fn administrators_move_all_that_is_left() {
    let mut case = Case::paid();
    case.ship(seller(11)).unwrap();
    case.ship(admin()).unwrap();
    assert_eq!(case.order().status, OrderStatus::Shipped);
    case.deliver(admin()).unwrap();
    assert_eq!((case.order().status, case.count_mails("shipped")), (OrderStatus::Delivered, 2));
}

#[test]
fn nothing_moves_out_of_turn() {
    let mut refunded = Case::paid();
    refunded.hear_charge(2_500);
    let mut called_off = Case::paid();
    called_off.change(|draft: &mut Draft| draft.cancel().unwrap());
    let buyer = Actor { id: UserId::new(2).unwrap(), role: Role::Buyer };
    let cases = [
        ("not paid", Case::open(), seller(11), FulfilmentError::InvalidState),
        ("all refunded", refunded, seller(11), FulfilmentError::InvalidState),
        ("called off", called_off, seller(11), FulfilmentError::InvalidState),
        ("another seller's", Case::paid(), seller(13), FulfilmentError::NotTheirs),
        ("its buyer", Case::paid(), buyer, FulfilmentError::NotTheirs),
    ];
    for (name, mut case, actor, wanted) in cases {
        let before = case.book.clone();
        assert_eq!(case.ship(actor), Err(wanted), "{name}");
        assert_eq!(case.deliver(actor), Err(wanted), "{name}");
        assert_eq!(case.book, before, "{name}");
    }
    let mut case = Case::paid();
    assert_eq!(case.deliver(seller(11)), Err(FulfilmentError::InvalidState), "not shipped yet");
    case.ship(seller(11)).unwrap();
    assert_eq!(case.ship(seller(11)), Err(FulfilmentError::InvalidState), "twice");
    assert_eq!(case.count_mails("shipped"), 1);
}
