-- products: how many there are, from id 1 on
function request()
  return wrk.format("GET", "/v1/products/" .. math.random(products))
end
