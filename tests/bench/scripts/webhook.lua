-- deliveries: a file with a signature and a body on each line; each thread takes every second one
local headers = { ["Content-Type"] = "application/json; charset=utf-8" }

function prepare()
  ready = {}
  local at = 0
  for line in io.lines(deliveries) do
    at = at + 1
    if at % 2 == number % 2 then ready[#ready + 1] = line end
  end
end

function request()
  sent = sent + 1
  local line = ready[sent]
  if not line then
    wrk.thread:stop()
    line = ready[#ready]
  end
  local signature, body = line:match("^(%S+) (.*)$")
  headers["Stripe-Signature"] = signature
  return wrk.format("POST", "/v1/payments/callback", headers, body)
end
