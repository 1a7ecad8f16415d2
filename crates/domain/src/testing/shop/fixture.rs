use async_trait::async_trait;

use super::MemoryShop;
use crate::{
    account::Role,
    catalogue::ProductStatus,
    ids::{OrderId, ProductId, UserId},
    mail::Mail,
    money::Money,
    payment::LedgerEntry,
    testing::contract::Fixture,
};

#[async_trait]
impl Fixture for MemoryShop {
    async fn buyer(&self) -> UserId {
        self.add_person(Role::Buyer)
    }

    async fn seller(&self) -> UserId {
        self.add_person(Role::Seller)
    }

    async fn product(&self, seller: UserId, price: Money, stock: i64) -> ProductId {
        self.add_product(seller, price, stock)
    }

    async fn archive(&self, product: ProductId) {
        if let Some(product) = self.state().products.get_mut(&product) {
            product.details.status = ProductStatus::Archived;
        }
    }

    async fn stock_of(&self, product: ProductId) -> i64 {
        let (available, moved) = Self::stock_of(self, product);
        assert_eq!(available, moved, "the movements of {product} do not add up");
        available
    }

    async fn mails_to(&self, person: UserId) -> Vec<Mail> {
        let state = self.state();
        let Some(person) = state.people.get(&person) else { return vec![] };
        let theirs = state.mails.iter().filter(|stored| stored.mail.to.email == person.user.email);
        theirs.map(|stored| stored.mail.clone()).collect()
    }

    async fn ledger_of(&self, order: OrderId) -> Vec<LedgerEntry> {
        let state = self.state();
        let Some(book) = state.orders.get(&order).map(|order| &order.book) else { return vec![] };
        let theirs = state.ledger.iter().filter(|entry| book.payment(entry.payment_id).is_some());
        theirs.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::MemoryShop;
    use crate::testing::{FixedClock, block_on, contract};

    fn shop() -> MemoryShop {
        MemoryShop::new(Arc::new(FixedClock::default()))
    }

    #[test]
    fn the_fake_passes_the_contract_of_order_stores() {
        let shop = shop();
        block_on(contract::order_placement_contract(&shop, &shop, &shop));
        block_on(contract::order_store_contract(&shop, &shop, &shop));
    }

    #[test]
    fn the_fake_passes_the_contract_of_account_stores() {
        let shop = shop();
        block_on(contract::account_store_contract(&shop, &shop));
    }

    #[test]
    fn the_fake_passes_the_contract_of_idempotency_stores() {
        let shop = shop();
        block_on(contract::idempotency_store_contract(&shop, &shop));
    }
}
