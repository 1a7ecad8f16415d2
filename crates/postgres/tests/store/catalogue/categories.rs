use spicyjump_domain::{
    catalogue::{CatalogueStore, Category, CategoryDetails, CategoryError, ProductDetails},
    ids::CategoryId,
};

use crate::support::{Shop, details};

fn named(name: &str, parent_id: Option<CategoryId>) -> CategoryDetails {
    CategoryDetails { name: name.into(), name_en: Some(format!("{name} in English")), parent_id }
}

async fn add(shop: &Shop, name: &str, parent: Option<&Category>) -> Category {
    shop.catalogue().create_category(&named(name, parent.map(|parent| parent.id))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_made_read_changed_and_removed() {
    let shop = Shop::open().await;
    let catalogue = shop.catalogue();
    let food = add(&shop, "음식", None).await;
    let kimchi = add(&shop, "김치", Some(&food)).await;
    assert_eq!((kimchi.name.as_str(), kimchi.parent_id), ("김치", Some(food.id)));
    assert_eq!(kimchi.name_en.as_deref(), Some("김치 in English"));
    assert_eq!(catalogue.categories().await.unwrap(), [food.clone(), kimchi.clone()]);
    assert_eq!(catalogue.category(kimchi.id).await.unwrap(), Some(kimchi.clone()));

    let details = CategoryDetails { name: "김장".into(), name_en: None, parent_id: None };
    let saved = catalogue.save_category(kimchi.id, &details).await.unwrap();
    assert_eq!(saved, Category { id: kimchi.id, name: "김장".into(), name_en: None, parent_id: None });
    assert_eq!(catalogue.remove_category(kimchi.id).await.unwrap(), saved);
    assert_eq!(catalogue.category(kimchi.id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let shop = Shop::open().await;
    let nowhere = CategoryId::new(404).unwrap();
    let saved = shop.catalogue().save_category(nowhere, &named("x", None)).await;
    assert!(matches!(saved, Err(CategoryError::NotFound)), "{saved:?}");
    let removed = shop.catalogue().remove_category(nowhere).await;
    assert!(matches!(removed, Err(CategoryError::NotFound)), "{removed:?}");
    let made = shop.catalogue().create_category(&named("x", Some(nowhere))).await;
    assert!(matches!(made, Err(CategoryError::BadParent)), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_in_use_stays() {
    let shop = Shop::open().await;
    let food = add(&shop, "음식", None).await;
    let kimchi = add(&shop, "김치", Some(&food)).await;
    let seller = shop.seller().await;
    shop.product(&seller, ProductDetails { category_id: Some(kimchi.id), ..details("배추김치") }, 1).await;
    for used in [food.id, kimchi.id] {
        let removed = shop.catalogue().remove_category(used).await;
        assert!(matches!(removed, Err(CategoryError::InUse)), "{removed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_category_is_above_itself() {
    let shop = Shop::open().await;
    let food = add(&shop, "음식", None).await;
    let kimchi = add(&shop, "김치", Some(&food)).await;
    let white = add(&shop, "백김치", Some(&kimchi)).await;
    for below in [food.id, kimchi.id, white.id] {
        let moved = shop.catalogue().save_category(food.id, &named("음식", Some(below))).await;
        assert!(matches!(moved, Err(CategoryError::BadParent)), "{moved:?}");
    }
    let moved = shop.catalogue().save_category(food.id, &named("음식", CategoryId::new(404))).await;
    assert!(matches!(moved, Err(CategoryError::BadParent)), "{moved:?}");
    let moved = shop.catalogue().save_category(white.id, &named("백김치", Some(food.id))).await.unwrap();
    assert_eq!(moved.parent_id, Some(food.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_at_once_close_no_circle() {
    let shop = Shop::open().await;
    for round in 0..20 {
        let a = add(&shop, &format!("a{round}"), None).await;
        let b = add(&shop, &format!("b{round}"), None).await;
        let catalogue = shop.catalogue();
        let (a_below_b, b_below_a) = (named("a", Some(b.id)), named("b", Some(a.id)));
        let (one, other) = tokio::join!(
            catalogue.save_category(a.id, &a_below_b),
            catalogue.save_category(b.id, &b_below_a)
        );
        let refused = |moved: &Result<_, _>| matches!(moved, Err(CategoryError::BadParent));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert!(refused(&one) || refused(&other), "{one:?} {other:?}");
    }
}
