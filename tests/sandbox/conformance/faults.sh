# Faults: what goes wrong with a request, and whether it was carried out.

# fault_next MISHAP [AFTER]: what goes wrong with the next POST of a user.
fault_next() {
    switch "{\"faults\":[{\"on\":{\"method\":\"POST\",\"path\":\"/api/users\"},\"after\":${2:-false},\"mishap\":$1}]}"
}

written() {
    get "/api/Users?search=$1-$mark"
    times "$2" '"emailaddress"'
}

lost() {
    post /api/Users "[{\"name\":\"Lost\",\"site_id\":$site,\"emailaddress\":\"$1-$mark@example.com\"}]" "${@:2}"
}

point 'faults: a write happens and its answer is lost'
fault_next '{"kind":"drop"}' true
lost dropped
status_is 000
written dropped 1
fault_next '{"kind":"half"}'
lost halved
status_is 201
written halved 1

point 'faults: a write happens and its answer comes too late'
fault_next '{"kind":"delay","ms":60000}'
lost late --max-time 3
status_is 000
written late 1

point 'faults: a connection closes and nothing was done'
fault_next '{"kind":"drop"}'
lost undone
status_is 000
written undone 0

point 'faults: HTML of a gateway with 502 and 504, before the write or after it'
for code in 502 504; do
    fault_next "{\"kind\":\"html\",\"status\":$code}"
    lost "page$code"
    status_is "$code"
    has '<html>'
    written "page$code" 0
    fault_next "{\"kind\":\"html\",\"status\":$code}" true
    lost "after$code"
    status_is "$code"
    written "after$code" 1
done

point 'faults: a 500 with an empty body, and one with an exception'
fault_next '{"kind":"status","status":500}'
lost empty
status_is 500
is_empty
fault_next '{"kind":"status","status":500,"message":"deadlock"}'
lost deadlock
has '"Message":"deadlock"'

point 'faults: a success that shows no id'
fault_next '{"kind":"no_id"}'
lost noid
status_is 201
has '{}'
written noid 1
switch '{"faults":[]}'

point 'faults: an answer that breaks off in its header'
fault_next '{"kind":"half_header"}'
lost headless
written headless 1

point 'faults: any answer that is wanted, and one that is long or never ends'
fault_next '{"kind":"answer","status":302,"fields":{"location":"https://elsewhere.example/"},"body":"gone"}'
lost answered
status_is 302
has gone
header_has 'location: https://elsewhere.example/'
fault_next '{"kind":"long","mib":2}'
lost long
status_is 200
[ "$(wc -c <"$folder/body")" = 2097154 ] || fault 'it is not 2 MiB long'
fault_next '{"kind":"endless"}'
lost endless --max-time 1
written endless 0
