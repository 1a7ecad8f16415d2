-- categories: how many there are, from id 1 on
function request()
  return wrk.format("GET", "/v1/products?category_id=" .. math.random(categories) .. "&page=" .. math.random(50))
end
