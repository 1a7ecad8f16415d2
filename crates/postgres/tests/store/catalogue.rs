use spicyjump_domain::{
    catalogue::{CatalogueStore, ProductFilter, ProductSort},
    paging::{PageRequest, Position},
};

use crate::support::{Shop, details};

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("매운 김치 Kimchi"), 3).await;
    assert_eq!(shop.catalogue().product(product.id).await.unwrap().unwrap(), product);
    let filter =
        ProductFilter { text: Some("imch 김치".into()), in_stock: Some(true), ..ProductFilter::default() };
    for sort in
        [ProductSort::Newest, ProductSort::PriceAscending, ProductSort::PriceDescending, ProductSort::Name]
    {
        let page = PageRequest { limit: 20, position: Position::Page(1) };
        let found = shop.catalogue().products(&filter, sort, &page).await.unwrap();
        assert_eq!((found.items.as_slice(), found.total), ([product.clone()].as_slice(), Some(1)));
    }
}
