//! What the demo shop sells.

use spicyjump_domain::money::Currency::{self, Eur, Krw, Usd};

use super::picture::{Colour, Palette};

/// A category: its Korean and English name, and the cloth that its goods stand on.
pub(super) const CATEGORIES: [(&str, &str, Colour); 6] = [
    ("김치", "Kimchi", [176, 196, 150]),
    ("장과 소스", "Pastes and sauces", [214, 186, 140]),
    ("면", "Noodles", [160, 184, 204]),
    ("과자", "Snacks", [222, 190, 190]),
    ("차와 음료", "Tea and drinks", [170, 200, 190]),
    ("주방용품", "Kitchenware", [190, 180, 206]),
];

/// Something to sell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Good {
    pub(super) name: &'static str,
    pub(super) name_en: &'static str,
    pub(super) description: &'static str,
    pub(super) description_en: &'static str,
    /// Index into [`CATEGORIES`].
    pub(super) category: usize,
    pub(super) price_minor: i64,
    pub(super) currency: Currency,
    pub(super) stock: i64,
    food: Colour,
    garnish: Colour,
}

impl Good {
    /// How it looks.
    pub(super) fn palette(&self) -> Palette {
        let cloth = CATEGORIES.get(self.category).map_or([200; 3], |(_, _, cloth)| *cloth);
        Palette { cloth, food: self.food, garnish: self.garnish }
    }
}

macro_rules! goods {
    ($($category:literal, $price:literal $currency:ident, $stock:literal, $food:expr, $garnish:expr,
       $name:literal, $name_en:literal, $description:literal, $description_en:literal;)+) => {
        [$(Good {
            name: $name, name_en: $name_en, description: $description, description_en: $description_en,
            category: $category, price_minor: $price, currency: $currency, stock: $stock,
            food: $food, garnish: $garnish,
        }),+]
    };
}

/// The goods, in the order in which they are made. Prices are in minor units; among them is one that is sold out and one
/// with two pieces left.
#[rustfmt::skip]
pub(super) const GOODS: [Good; 24] = goods![
    0, 12_000 Krw, 80, [196, 58, 36], [236, 196, 120],
        "배추김치 1kg", "Napa cabbage kimchi, 1 kg",
        "해남 배추로 담가 보름 동안 익혔습니다.", "Made from Haenam cabbage and ripened for two weeks.";
    0, 9_500 Krw, 60, [206, 76, 52], [244, 240, 226],
        "깍두기 700g", "Diced radish kimchi, 700 g",
        "아삭한 무를 큼직하게 썰었습니다.", "Crunchy white radish, cut large.";
    0, 8_800 Krw, 45, [232, 226, 190], [126, 160, 84],
        "백김치 500g", "White kimchi, 500 g",
        "고춧가루 없이 맑고 시원합니다.", "Without chilli: mild, clear and cool.";
    0, 11_000 Krw, 2, [96, 140, 64], [190, 54, 36],
        "파김치 500g", "Green onion kimchi, 500 g",
        "멸치액젓으로 맛을 냈습니다. 두 개 남았습니다.", "Seasoned with anchovy sauce. Only two left.";
    1, 1_290 Usd, 120, [150, 32, 24], [196, 60, 44],
        "고추장 500g", "Gochujang, 500 g",
        "태양초로 만든 매콤달콤한 고추장입니다.", "Sweet and hot paste of sun-dried chillies.";
    1, 1_150 Usd, 90, [124, 84, 44], [170, 128, 74],
        "된장 500g", "Doenjang, 500 g",
        "항아리에서 일 년을 묵혔습니다.", "Soybean paste, aged for a year in the jar.";
    1, 990 Usd, 75, [60, 34, 22], [96, 62, 40],
        "국간장 500ml", "Soup soy sauce, 500 ml",
        "국과 나물에 어울리는 맑은 간장입니다.", "Light soy sauce for soups and vegetables.";
    1, 1_490 Usd, 64, [186, 132, 52], [232, 208, 150],
        "참기름 320ml", "Sesame oil, 320 ml",
        "볶은 참깨를 눌러 짰습니다.", "Pressed from roasted sesame.";
    1, 1_650 Usd, 40, [178, 44, 30], [120, 24, 16],
        "고춧가루 300g", "Chilli flakes, 300 g",
        "굵게 빻은 국산 고춧가루입니다.", "Coarsely ground Korean chillies.";
    2, 4_500 Krw, 300, [228, 180, 92], [196, 60, 40],
        "매운 라면 5개", "Hot ramyeon, pack of 5",
        "얼큰한 국물의 봉지 라면입니다.", "Instant noodles in a fiery broth.";
    2, 5_200 Krw, 150, [210, 200, 176], [90, 140, 80],
        "메밀 냉면 4인분", "Buckwheat cold noodles, serves 4",
        "살얼음 육수가 함께 들어 있습니다.", "With broth to be served half frozen.";
    2, 6_000 Krw, 110, [54, 36, 28], [130, 160, 90],
        "짜장면 2인분", "Black bean noodles, serves 2",
        "돼지고기와 춘장을 넣은 소스입니다.", "With a sauce of black beans and pork.";
    2, 620 Eur, 95, [226, 218, 204], [214, 120, 60],
        "당면 450g", "Glass noodles, 450 g",
        "잡채에 쓰는 고구마 전분 면입니다.", "Sweet potato noodles for japchae.";
    3, 350 Eur, 200, [44, 60, 40], [90, 110, 74],
        "구운 김 10봉", "Roasted seaweed, 10 packs",
        "참기름과 소금으로 구웠습니다.", "Roasted with sesame oil and salt.";
    3, 480 Eur, 130, [222, 172, 96], [252, 232, 190],
        "약과 8개", "Honey cookies, 8 pieces",
        "꿀과 생강을 넣어 튀긴 과자입니다.", "Fried cookies with honey and ginger.";
    3, 390 Eur, 0, [240, 226, 206], [214, 120, 130],
        "쌀과자 120g", "Rice crackers, 120 g",
        "지금은 품절입니다.", "Sold out at the moment.";
    3, 540 Eur, 85, [170, 110, 60], [236, 214, 170],
        "호두과자 12개", "Walnut cakes, 12 pieces",
        "팥소와 호두가 들어 있습니다.", "Filled with red bean paste and walnut.";
    4, 1_890 Usd, 55, [140, 170, 84], [96, 130, 56],
        "보성 녹차 80g", "Boseong green tea, 80 g",
        "첫물 찻잎만 골랐습니다.", "Leaves of the first picking only.";
    4, 1_390 Usd, 70, [222, 176, 70], [246, 220, 140],
        "유자청 580g", "Citron tea, 580 g",
        "고흥 유자를 설탕에 절였습니다.", "Citron from Goheung, preserved in sugar.";
    4, 7_900 Krw, 100, [198, 150, 92], [150, 104, 58],
        "보리차 30티백", "Barley tea, 30 bags",
        "구수하게 볶은 보리입니다.", "Roasted barley, to be drunk hot or cold.";
    4, 3_300 Krw, 160, [196, 132, 92], [240, 224, 204],
        "식혜 1L", "Sweet rice drink, 1 l",
        "밥알이 동동 뜨는 전통 음료입니다.", "The traditional drink, with grains of rice.";
    5, 3_200 Usd, 25, [64, 58, 54], [120, 112, 104],
        "뚝배기 1.2L", "Earthenware pot, 1.2 l",
        "찌개가 식탁에서도 끓습니다.", "Keeps a stew boiling at the table.";
    5, 1_800 Usd, 48, [206, 208, 210], [150, 154, 158],
        "놋수저 한 벌", "Brass spoon and chopsticks",
        "손으로 두드려 만들었습니다.", "Hammered by hand.";
    5, 45_000 Krw, 18, [176, 150, 120], [120, 92, 66],
        "옹기 항아리 5L", "Onggi jar, 5 l",
        "숨 쉬는 항아리, 김치와 장을 담그세요.", "A jar that breathes, for kimchi and pastes.";
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_all_different_and_every_category_has_goods() {
        let names: BTreeSet<_> = GOODS.iter().map(|good| good.name).collect();
        assert_eq!(names.len(), GOODS.len());
        let used: BTreeSet<_> = GOODS.iter().map(|good| good.category).collect();
        assert_eq!(used, (0..CATEGORIES.len()).collect());
    }
}
