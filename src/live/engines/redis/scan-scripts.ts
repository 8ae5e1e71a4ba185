/** Steps on scans: their states, their history, what they are found by, and their leases. */
import type { RedisScript } from "./shared-lua.ts";

const create: RedisScript = {
  body: `
local prefix, key, token, identity, info, limit, owner, ms, document = unpack(args, 1, 9)
local scan, history = prefix .. key, prefix .. 'scans'
local known = redis.call('HMGET', scan, 'token', 'tag')
if known[2] then
  if known[1] == token then return known[2] end
  return false
end
local tag = redis.call('XADD', history, '*', 'key', key)
if limit ~= '' then
  local over = redis.call('XLEN', history) - tonumber(limit)
  if over > 0 then
    local forgotten = redis.call('XRANGE', history, '-', '+', 'COUNT', over)
    redis.call('SET', prefix .. 'forgotten', forgotten[#forgotten][1])
    redis.call('XTRIM', history, 'MAXLEN', limit)
  end
end
local created = now()
local index = {}
for i = 10, #args, 2 do
  local member = args[i + 1] .. '\\0' .. key
  redis.call('ZADD', prefix .. 'field:' .. args[i], 0, member)
  index[#index + 1] = args[i]
  index[#index + 1] = member
end
redis.call('ZADD', prefix .. 'created', created, key)
redis.call('HSET', scan, 'identity', identity, 'info', info, 'state', '0', 'streams', '{}', 'revision', '0',
  'created', string.format('%.3f', created / 1000), 'tag', tag, 'news', tell(prefix, key, '0'), 'keys', '',
  'index', cjson.encode(index), 'token', token)
if owner ~= '' then lease(prefix, key, owner, ms) end
if document ~= '' then create_mirror(scan, key, document) end
return tag`,
};

const change: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, token, from, to, info, streams, keys, reason, documents = unpack(args, 1, 10)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'state', 'token', 'keys')
if not known[1] then return { 'gone' } end
if known[2] ~= token then
  local same = known[1] == to and tonumber(to) <= 2 and (info ~= '' or streams ~= '')
  if not string.find(from, known[1], 1, true) or (tonumber(known[1]) >= tonumber(to) and not same) then
    return { 'state', known[1] }
  end
  if streams == '' then
    keys = known[3]
  else
    redis.call('HSET', scan, 'streams', streams, 'keys', keys)
  end
  if info ~= '' then redis.call('HSET', scan, 'info', info) end
  if tonumber(to) >= 3 then
    for _, stream in ipairs(lines(keys)) do seal(stream) end
  end
  if to == '4' then
    close(prefix, key, reason)
    if reason == '' then redis.call('HDEL', scan, 'end') end
  end
  revise(scan)
  redis.call('HSET', scan, 'state', to, 'token', token, 'news', tell(prefix, key, to))
  change_mirror(scan, key, to, info, documents, reason)
end
return { 'done', header(prefix, key) }`,
};

const read: RedisScript = { isRead: true, body: "return header(args[1], args[2])" };

const member: RedisScript = {
  isRead: true,
  body: `
local found = {}
for i = 3, #args do found[#found + 1] = redis.call('HGET', args[1] .. args[i], args[2]) end
return found`,
};

const remove: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, token, grace = unpack(args, 1, 4)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'keys', 'tag', 'index')
if not is_there(prefix, key) then
  local last = redis.call('XREVRANGE', prefix .. 'state:' .. key, '+', '-', 'COUNT', 1)[1]
  return (last and field(last[2], 'by') == token) and 1 or 0
end
for _, stream in ipairs(lines(known[1])) do
  seal(stream)
  redis.call('XTRIM', stream, 'MAXLEN', 1)
  redis.call('PEXPIRE', stream, grace)
  redis.call('PEXPIRE', prefix .. 'durable:' .. stream, grace)
  redis.call('PEXPIRE', prefix .. 'writer:' .. stream, grace)
end
-- What a damaged scan is found by and when it was created, searches find out to be gone.
local is_whole, index = pcall(cjson.decode, known[3])
if not is_whole or type(index) ~= 'table' then index = {} end
for i = 1, #index - 1, 2 do redis.call('ZREM', prefix .. 'field:' .. index[i], index[i + 1]) end
redis.call('ZREM', prefix .. 'created', key)
redis.call('ZREM', prefix .. 'leases', key)
redis.pcall('XDEL', prefix .. 'scans', known[2] or '')
-- What has ten seconds left is deleted, for blissdata.
expire_mirror(scan, key, 10000)
redis.call('DEL', scan)
tell(prefix, key, '4', 'by', token)
redis.call('PEXPIRE', prefix .. 'state:' .. key, grace)
return 1`,
};

const expire: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, ms = unpack(args, 1, 3)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'state', 'keys')
if not known[1] then return 0 end
redis.call('HSET', scan, 'news', tell(prefix, key, known[1]))
redis.call('PEXPIRE', prefix .. 'state:' .. key, ms)
for _, stream in ipairs(lines(known[2])) do
  redis.call('PEXPIRE', stream, ms)
  redis.call('PEXPIRE', prefix .. 'durable:' .. stream, ms)
  redis.call('PEXPIRE', prefix .. 'writer:' .. stream, ms)
end
expire_mirror(scan, key, ms)
redis.call('PEXPIRE', scan, ms)
return 1`,
};

const after: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, place, limit = args[1], args[2], tonumber(args[3])
local history = prefix .. 'scans'
local gap = 0
local forgotten = redis.call('GET', prefix .. 'forgotten')
if forgotten and redis.call('EXISTS', history) == 1 then
  local function parts(id)
    local time, number = string.match(id, '^(%d+)%-?(%d*)$')
    return tonumber(time), tonumber(number ~= '' and number or 0)
  end
  local time, number = parts(place)
  local old_time, old_number = parts(forgotten)
  if time < old_time or (time == old_time and number < old_number) then gap = 1 end
end
local found = {}
while #found < 2 * limit do
  local entries = redis.call('XRANGE', history, '(' .. place, '+', 'COUNT', limit)
  for _, entry in ipairs(entries) do
    if #found == 2 * limit then break end
    local key = field(entry[2], 'key')
    place = entry[1]
    if is_there(prefix, key) then
      found[#found + 1] = place
      found[#found + 1] = key
    else
      redis.call('XDEL', history, place)
    end
  end
  if #entries < limit then break end
end
return { place, gap, found }`,
};

const last: RedisScript = {
  isRead: true,
  body: `
local prefix, place = args[1], '+'
while true do
  local entries = redis.call('XREVRANGE', prefix .. 'scans', place, '-', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local key = field(entry[2], 'key')
    if is_there(prefix, key) then return { last_tag(prefix), key } end
    place = '(' .. entry[1]
  end
  if #entries < 16 then return { last_tag(prefix) } end
end`,
};

const search: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, from, to = unpack(args, 1, 3)
local name, low, high, fewest
for i = 4, #args, 3 do
  local count = redis.call('ZLEXCOUNT', prefix .. 'field:' .. args[i], args[i + 1], args[i + 2])
  if not fewest or count < fewest then name, low, high, fewest = args[i], args[i + 1], args[i + 2], count end
end
local candidates
if name then
  candidates = redis.call('ZRANGEBYLEX', prefix .. 'field:' .. name, low, high)
else
  candidates = redis.call('ZRANGEBYSCORE', prefix .. 'created', from, to)
end
local found = {}
for _, candidate in ipairs(candidates) do
  local key = name and string.match(candidate, '%z(%Z*)$') or candidate
  local values = redis.call('HMGET', prefix .. key, 'identity', 'state', 'created', 'tag')
  if is_there(prefix, key) then
    found[#found + 1] = { key, values[1], values[2], values[3], values[4] }
  else
    redis.call('ZREM', prefix .. 'created', key)
    if name then redis.call('ZREM', prefix .. 'field:' .. name, candidate) end
  end
end
return { last_tag(prefix), found }`,
};

const renew: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, owner, ms = unpack(args, 1, 4)
if redis.call('EXISTS', prefix .. key) == 1 then settle_clock(prefix) end
local known = redis.call('HMGET', prefix .. key, 'state', 'owner', 'expires', 'end')
if not known[1] then return 'gone' end
if known[1] == '4' then return known[4] == 'LOST' and 'lost' or 'closed' end
if known[2] and known[2] ~= owner and (tonumber(known[3]) or 0) > now() then return 'taken' end
lease(prefix, key, owner, ms)
return 'done'`,
};

const lost: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, closed = args[1], {}
settle_clock(prefix)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leases', '-inf', text(now()))) do
  local scan = prefix .. key
  local known = redis.call('HMGET', scan, 'state', 'keys')
  if is_there(prefix, key) and known[1] ~= '4' then
    for _, stream in ipairs(lines(known[2])) do seal(stream) end
    close(prefix, key, 'LOST')
    revise(scan)
    redis.call('HSET', scan, 'news', tell(prefix, key, '4'))
    change_mirror(scan, key, '4', '', '', 'LOST')
    closed[#closed + 1] = key
  else
    redis.call('ZREM', prefix .. 'leases', key)
  end
end
return closed`,
};

/** The scripts by name. */
export const scanScripts = {
  create,
  change,
  read,
  member,
  remove,
  expire,
  after,
  last,
  search,
  renew,
  lost,
} as const satisfies Record<string, RedisScript>;
