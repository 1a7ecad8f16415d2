-- tokens: of buyers; first, last: the ids of products; lines: how many each order has; run: unlike any other run
local address = '"shipping_address":{"recipient":"Kim Person","phone":"+82-10-1234-5678","line1":"110 Sejong-daero",'
  .. '"city":"Seoul","postal_code":"04524","country":"KR"}}'

function prepare()
  authorizations = {}
  for at, token in ipairs(tokens) do authorizations[at] = "Bearer " .. token end
  headers = { ["Content-Type"] = "application/json" }
end

function request()
  sent = sent + 1
  local items = ""
  local product = math.random(first, last)
  for line = 1, lines do
    if line > 1 then
      product = product + 1
      if product > last then product = first end
      items = items .. ","
    end
    items = items .. '{"product_id":' .. product .. ',"quantity":1}'
  end
  headers["Authorization"] = authorizations[sent % #authorizations + 1]
  headers["Idempotency-Key"] = run .. "-" .. number .. "-" .. sent
  return wrk.format("POST", "/v1/orders", headers, '{"items":[' .. items .. "]," .. address)
end
