//! The business's routes. Each reads like its line in the contract: what comes in, one use case, what goes out.

pub mod accounts;
pub mod categories;
pub mod checkout;
mod names;
pub mod order_events;
pub mod orders;
pub mod payments;
pub mod products;
#[cfg(test)]
mod tests;
pub mod uploads;

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::route_table::no_route;

/// Registers every route.
pub fn register(config: &mut ServiceConfig) {
    config
        .service(accounts::register)
        .service(accounts::login)
        .service(accounts::refresh)
        .service(accounts::logout)
        .service(accounts::get_me)
        .service(accounts::change_me)
        .service(accounts::forgot_password)
        .service(accounts::reset_password)
        .service(products::list_products)
        .service(products::get_product)
        .service(products::create_product)
        .service(products::change_product)
        .service(products::archive_product)
        .service(products::change_stock)
        .service(products::list_seller_products)
        .service(categories::list_categories)
        .service(categories::get_category)
        .service(categories::create_category)
        .service(categories::change_category)
        .service(categories::remove_category)
        .service(uploads::presign)
        .service(uploads::upload)
        .service(orders::place_order)
        .service(orders::list_orders)
        .service(orders::get_order)
        .service(orders::cancel_order)
        .service(orders::ship_order)
        .service(orders::deliver_order)
        .service(orders::list_seller_orders)
        .service(order_events::order_events)
        .service(payments::callback)
        // Else another method would find a payment of this name.
        .map(|config| config.route("/v1/payments/callback", web::to(no_route)))
        .service(payments::start_payment)
        .service(payments::get_payment)
        .service(payments::create_refund)
        .service(payments::list_refunds)
        .service(checkout::script)
        .service(checkout::style)
        .service(checkout::status)
        .service(checkout::page);
}
