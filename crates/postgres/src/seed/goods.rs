//! Made-up products of a shop of Korean food, the same ones every time: what a number gets is a matter of its digits.
//! Forty-eight things, eight kinds of six, go on the shelves given; one in forty products is sold out.

use std::fmt::Write as _;

use spicyjump_domain::ids::{CategoryId, UserId};

const REGIONS: [(&str, &str); 16] = [
    ("전주", "Jeonju"),
    ("서울", "Seoul"),
    ("부산", "Busan"),
    ("제주", "Jeju"),
    ("강릉", "Gangneung"),
    ("광주", "Gwangju"),
    ("안동", "Andong"),
    ("통영", "Tongyeong"),
    ("여수", "Yeosu"),
    ("속초", "Sokcho"),
    ("춘천", "Chuncheon"),
    ("남원", "Namwon"),
    ("순창", "Sunchang"),
    ("보성", "Boseong"),
    ("영광", "Yeonggwang"),
    ("담양", "Damyang"),
];
const STYLES: [(&str, &str); 13] = [
    ("매운", "Spicy"),
    ("순한", "Mild"),
    ("전통", "Traditional"),
    ("수제", "Handmade"),
    ("유기농", "Organic"),
    ("숙성", "Aged"),
    ("프리미엄", "Premium"),
    ("국내산", "Domestic"),
    ("저염", "Low-salt"),
    ("얼큰한", "Hearty"),
    ("고소한", "Nutty"),
    ("새콤한", "Tangy"),
    ("담백한", "Light"),
];
const THINGS: [(&str, &str); 48] = [
    ("배추김치", "Napa Cabbage Kimchi"),
    ("깍두기", "Radish Kimchi"),
    ("총각김치", "Ponytail Kimchi"),
    ("파김치", "Green Onion Kimchi"),
    ("백김치", "White Kimchi"),
    ("갓김치", "Mustard Leaf Kimchi"),
    ("라면", "Ramyeon"),
    ("쌀국수", "Rice Noodles"),
    ("냉면", "Cold Noodles"),
    ("칼국수", "Knife-cut Noodles"),
    ("우동", "Udon"),
    ("비빔면", "Bibim Noodles"),
    ("고추장", "Gochujang"),
    ("된장", "Doenjang"),
    ("간장", "Soy Sauce"),
    ("쌈장", "Ssamjang"),
    ("고춧가루", "Chili Flakes"),
    ("식초", "Vinegar"),
    ("가래떡", "Rice Cake Sticks"),
    ("떡볶이", "Tteokbokki"),
    ("인절미", "Injeolmi"),
    ("송편", "Songpyeon"),
    ("백설기", "Steamed Rice Cake"),
    ("찹쌀떡", "Sticky Rice Cake"),
    ("녹차", "Green Tea"),
    ("유자차", "Yuja Tea"),
    ("보리차", "Barley Tea"),
    ("생강차", "Ginger Tea"),
    ("대추차", "Jujube Tea"),
    ("옥수수차", "Corn Tea"),
    ("새우칩", "Prawn Chips"),
    ("약과", "Honey Cookies"),
    ("강정", "Gangjeong"),
    ("쌀과자", "Rice Crackers"),
    ("꿀꽈배기", "Honey Twists"),
    ("초코파이", "Choco Pie"),
    ("장조림", "Braised Beef"),
    ("콩자반", "Braised Beans"),
    ("멸치볶음", "Stir-fried Anchovies"),
    ("진미채", "Seasoned Squid"),
    ("김자반", "Laver Flakes"),
    ("두부조림", "Braised Tofu"),
    ("마른오징어", "Dried Squid"),
    ("황태채", "Dried Pollock"),
    ("구운김", "Roasted Laver"),
    ("미역", "Sea Mustard"),
    ("다시마", "Kelp"),
    ("멸치", "Dried Anchovies"),
];
const SIZES: [&str; 8] = ["200g", "300g", "500g", "1kg", "2kg", "5kg", "10개입", "20개입"];
const REMARKS: [(&str, &str); 4] = [
    ("냉장 보관하세요.", "Keep refrigerated."),
    ("선물로도 좋습니다.", "A fine gift."),
    ("당일 발송합니다.", "Shipped today."),
    ("아이도 잘 먹습니다.", "Loved by children."),
];
const CURRENCIES: [&str; 10] = ["KRW", "KRW", "KRW", "KRW", "KRW", "USD", "USD", "USD", "EUR", "EUR"];

/// Rows for `COPY`, in its text form; there is nothing in the words that it would take for a sign.
#[derive(Default)]
pub(super) struct Rows {
    products: String,
    stock: String,
    movements: String,
}

impl Rows {
    /// Those of the products with these numbers and ids.
    pub(super) fn of(
        numbered: impl Iterator<Item = (i64, i64)>,
        seller: UserId,
        shelves: &[CategoryId],
    ) -> Self {
        let mut rows = Self::default();
        for (number, id) in numbered {
            rows.add(number, id, seller, shelves);
        }
        rows
    }

    /// What to copy into which columns, in an order in which each finds the rows that it refers to.
    pub(super) fn into_copies(self) -> [(&'static str, String); 3] {
        [
            (
                "COPY products (id, seller_id, category_id, name, name_en, description, description_en, \
                 price_minor, currency, status, created_at, updated_at) FROM STDIN",
                self.products,
            ),
            ("COPY stock (product_id, available) FROM STDIN", self.stock),
            ("COPY stock_movements (product_id, kind, delta, at) FROM STDIN", self.movements),
        ]
    }

    fn add(&mut self, number: i64, id: i64, seller: UserId, shelves: &[CategoryId]) {
        let n = usize::try_from(number).unwrap_or_default();
        let kind = n % 8 * 6 + n / 8 % 6;
        let dice = scattered(n);
        let category =
            shelves.get(kind * shelves.len() / THINGS.len()).map_or("\\N".to_owned(), ToString::to_string);
        let (region, region_en) = REGIONS[n / 48 % 16];
        let (style, style_en) = STYLES[n / 768 % 13];
        let (thing, thing_en) = THINGS[kind];
        let size = SIZES[n / 9_984 % 8];
        let (remark, remark_en) = REMARKS[dice % 4];
        let currency = CURRENCIES[dice % 10];
        let minor = if currency == "KRW" { 1_000 + dice % 990 * 100 } else { 99 + dice % 9_000 };
        let available = if (dice / 1_000).is_multiple_of(40) { 0 } else { 1 + dice % 500 };
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.products,
            "{id}\t{seller}\t{category}\t{region} {style} {thing} {size}\t{region_en} {style_en} {thing_en} No. {n}\t\
             {region}에서 온 {style} {thing}입니다. {remark}\t{style_en} {thing_en} from {region_en}. {remark_en}\t\
             {minor}\t{currency}\tpublished\tnow\tnow"
        );
        let _ = writeln!(self.stock, "{id}\t{available}");
        let _ = writeln!(self.movements, "{id}\topening\t{available}\tnow");
    }
}

/// A number of thirty-one bits that neighbours do not share.
fn scattered(n: usize) -> usize {
    usize::try_from((n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap_or_default()
}
