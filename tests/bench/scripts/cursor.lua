-- cursors: pages that were walked to before, as path and query
function request()
  return wrk.format("GET", cursors[math.random(#cursors)])
end
