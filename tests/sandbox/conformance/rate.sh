# The rate, last of all: it counts every request before.

point 'rate: more than so many requests in a rolling window get a 429, as exception, text or error'
for form in 'exception:"Message":"Rate Limit Reached - 3 Requests' 'text:"Rate Limit Reached - 3 Requests' 'error:{"error":"Rate Limit Reached - 3 Requests'; do
    switch "{\"rate\":{\"count\":3,\"per_ms\":300000},\"rate_body\":\"${form%%:*}\"}"
    for code in 200 200 200 429; do
        get /api/AuthInfo
        status_is "$code"
    done
    has "${form#*:}"
    lacks Retry-After
done
switch '{"rate_body":"exception"}'

point 'retry_after_s: whether a 429 says how long'
switch '{"rate":{"count":0,"per_ms":300000},"retry_after_s":9}'
get /api/AuthInfo
status_is 429
header_has 'retry-after: 9'

point 'retry_after_date and clock_ahead_s: the same as a date, by a clock that is wrong'
switch '{"rate":{"count":0,"per_ms":300000},"retry_after_s":9,"retry_after_date":true,"clock_ahead_s":86400}'
get /api/AuthInfo
for field in date retry-after; do
    header_has "$field: $(date --utc --date '+1 day' '+%a, %d %b %Y')"
done
switch '{"retry_after_s":null,"retry_after_date":false,"clock_ahead_s":0}'
get /api/AuthInfo
grep -qi '^retry-after' "$folder/header" && fault 'there is a Retry-After'

point 'rate: 700 requests in 300 s by default'
switch '{"rate":{"count":700,"per_ms":300000}}'
codes=$(curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}\n' "$base/api/AuthInfo?[1-701]" | sort | uniq -c | tr -s ' \n' ' ')
[ "$codes" = ' 700 200 1 429 ' ] || fault "$codes"
switch '{"rate":{"count":700,"per_ms":300000}}'

point 'every switch is at its default again, and one that is not known is refused'
get /sandbox/switches
has '"rate":{"count":700,"per_ms":300000}'
post /sandbox/switches '{"page_capp":1}'
status_is 400
has 'did you mean'
has page_cap
