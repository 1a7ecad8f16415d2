-- Products number $2 to $3 of a made-up shop of Korean food, the same ones every time: what a number gets is a matter of
-- its digits. Forty-eight things, eight kinds of six, go on the shelves given; one in forty products is sold out.
WITH words AS (
    SELECT $1 AS shelves,
           ARRAY['전주', '서울', '부산', '제주', '강릉', '광주', '안동', '통영', '여수', '속초', '춘천', '남원', '순창', '보성', '영광', '담양']
               AS region,
           ARRAY['Jeonju', 'Seoul', 'Busan', 'Jeju', 'Gangneung', 'Gwangju', 'Andong', 'Tongyeong', 'Yeosu', 'Sokcho',
                 'Chuncheon', 'Namwon', 'Sunchang', 'Boseong', 'Yeonggwang', 'Damyang'] AS region_en,
           ARRAY['매운', '순한', '전통', '수제', '유기농', '숙성', '프리미엄', '국내산', '저염', '얼큰한', '고소한', '새콤한', '담백한'] AS style,
           ARRAY['Spicy', 'Mild', 'Traditional', 'Handmade', 'Organic', 'Aged', 'Premium', 'Domestic', 'Low-salt', 'Hearty',
                 'Nutty', 'Tangy', 'Light'] AS style_en,
           ARRAY['배추김치', '깍두기', '총각김치', '파김치', '백김치', '갓김치', '라면', '쌀국수', '냉면', '칼국수', '우동', '비빔면',
                 '고추장', '된장', '간장', '쌈장', '고춧가루', '식초', '가래떡', '떡볶이', '인절미', '송편', '백설기', '찹쌀떡',
                 '녹차', '유자차', '보리차', '생강차', '대추차', '옥수수차', '새우칩', '약과', '강정', '쌀과자', '꿀꽈배기', '초코파이',
                 '장조림', '콩자반', '멸치볶음', '진미채', '김자반', '두부조림', '마른오징어', '황태채', '구운김', '미역', '다시마', '멸치']
               AS thing,
           ARRAY['Napa Cabbage Kimchi', 'Radish Kimchi', 'Ponytail Kimchi', 'Green Onion Kimchi', 'White Kimchi',
                 'Mustard Leaf Kimchi', 'Ramyeon', 'Rice Noodles', 'Cold Noodles', 'Knife-cut Noodles', 'Udon', 'Bibim Noodles',
                 'Gochujang', 'Doenjang', 'Soy Sauce', 'Ssamjang', 'Chili Flakes', 'Vinegar', 'Rice Cake Sticks', 'Tteokbokki',
                 'Injeolmi', 'Songpyeon', 'Steamed Rice Cake', 'Sticky Rice Cake', 'Green Tea', 'Yuja Tea', 'Barley Tea',
                 'Ginger Tea', 'Jujube Tea', 'Corn Tea', 'Prawn Chips', 'Honey Cookies', 'Gangjeong', 'Rice Crackers',
                 'Honey Twists', 'Choco Pie', 'Braised Beef', 'Braised Beans', 'Stir-fried Anchovies', 'Seasoned Squid',
                 'Laver Flakes', 'Braised Tofu', 'Dried Squid', 'Dried Pollock', 'Roasted Laver', 'Sea Mustard', 'Kelp',
                 'Dried Anchovies'] AS thing_en,
           ARRAY['200g', '300g', '500g', '1kg', '2kg', '5kg', '10개입', '20개입'] AS size,
           ARRAY['냉장 보관하세요.', '선물로도 좋습니다.', '당일 발송합니다.', '아이도 잘 먹습니다.'] AS remark,
           ARRAY['Keep refrigerated.', 'A fine gift.', 'Shipped today.', 'Loved by children.'] AS remark_en,
           ARRAY['KRW', 'KRW', 'KRW', 'KRW', 'KRW', 'USD', 'USD', 'USD', 'EUR', 'EUR'] AS currency
), numbered AS (
    SELECT n, n % 8 * 6 + n / 8 % 6 AS thing, 1 + n / 48 % 16 AS region, 1 + n / 768 % 13 AS style, 1 + n / 9984 % 8 AS size,
           abs(hashint8(n)::bigint) AS dice
    FROM generate_series($2, $3) AS n
), made AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('products', 'id')) AS id, n.dice,
           w.shelves[1 + n.thing * cardinality(w.shelves) / 48] AS category_id,
           concat_ws(' ', w.region[n.region], w.style[n.style], w.thing[1 + n.thing], w.size[n.size]) AS name,
           concat_ws(' ', w.region_en[n.region], w.style_en[n.style], w.thing_en[1 + n.thing], 'No.', n.n) AS name_en,
           concat_ws(' ', w.region[n.region] || '에서 온', w.style[n.style], w.thing[1 + n.thing] || '입니다.',
                     w.remark[1 + n.dice % 4]) AS description,
           concat_ws(' ', w.style_en[n.style], w.thing_en[1 + n.thing], 'from', w.region_en[n.region] || '.',
                     w.remark_en[1 + n.dice % 4]) AS description_en,
           w.currency[1 + n.dice % 10] AS currency,
           CASE WHEN n.dice / 1000 % 40 = 0 THEN 0 ELSE 1 + n.dice % 500 END AS available
    FROM words w, numbered n
), products_made AS (
    INSERT INTO products (
        id, seller_id, category_id, name, name_en, description, description_en, price_minor, currency, status, created_at,
        updated_at)
    SELECT id, $4, category_id, name, name_en, description, description_en,
           CASE currency WHEN 'KRW' THEN 1000 + dice % 990 * 100 ELSE 99 + dice % 9000 END, currency, 'published', now(),
           now()
    FROM made
), counted AS (
    INSERT INTO stock (product_id, available) SELECT id, available FROM made
)
INSERT INTO stock_movements (product_id, kind, delta, at) SELECT id, 'opening', available, now() FROM made
