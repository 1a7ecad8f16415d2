-- emails, password: of people
local headers = { ["Content-Type"] = "application/json" }

function request()
  sent = sent + 1
  local body = '{"email":"' .. emails[sent % #emails + 1] .. '","password":"' .. password .. '"}'
  return wrk.format("POST", "/v1/auth/login", headers, body)
end
