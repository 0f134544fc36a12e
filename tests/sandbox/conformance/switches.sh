# Switches: each is turned, looked at, and put back.

point 'create_status: 200 or 201'
switch '{"create_status":200}'
post /api/Users "[{\"name\":\"Seven $mark\",\"site_id\":$site}]"
status_is 200
switch '{"create_status":201}'

point 'returnall: heeded or not'
switch '{"returnall":false}'
post '/api/Users?returnall=true' "[{\"name\":\"Eight $mark\",\"site_id\":$site}]"
[[ $body == \{* ]] || fault "no bare object: ${body:0:40}"
switch '{"returnall":true}'

point 'bare_objects: an object instead of an array'
switch '{"bare_objects":true}'
post /api/Users "{\"name\":\"Nine $mark\",\"site_id\":$site}"
status_is 201
switch '{"bare_objects":false}'

point 'duplicate_users: allow, reject or warn'
again="[{\"name\":\"Jane again\",\"site_id\":$site,\"emailaddress\":\"JANE@$mark.example\"}]"
post /api/Users "$again"
status_is 201
has '"_email_collision":0'
delete "/api/Users/$(number id)"
switch '{"duplicate_users":"warn"}'
post /api/Users "$again"
status_is 201
has "\"_email_collision\":$user"
delete "/api/Users/$(number id)"
switch '{"duplicate_users":"reject"}'
post /api/Users "$again"
status_is 400
has '"ClassName":"System.Exception"'
switch '{"duplicate_users":"allow"}'

point 'bare_base64: an attachment without data: before it'
bare="[{\"ticket_id\":$ticket,\"filename\":\"bare.txt\",\"data_base64\":\"aGk=\"}]"
post /api/Attachment "$bare"
status_is 400
switch '{"bare_base64":true}'
post /api/Attachment "$bare"
status_is 201
has '"filesize":2'
switch '{"bare_base64":false}'

point 'attachment_links: a link that needs no token, instead of the octets'
post /api/Attachment "[{\"ticket_id\":$ticket,\"filename\":\"l.txt\",\"data_base64\":\"data:text/plain;base64,aGk=\"}]"
attachment=$(number id)
switch '{"attachment_links":true}'
get "/api/Attachment/$attachment"
link=$(grep -oE '"link":"[^"]*"' "$folder/body" | cut -d '"' -f 4)
[ "$(curl --silent --noproxy '*' "$link")" = hi ] || fault "the link $link shows other octets"
switch '{"attachment_links":false}'

point 'largest_request: a longer body gets a 413'
switch '{"largest_request":1000}'
post /api/Tickets "[{\"summary\":\"$(printf 'x%.0s' $(seq 1 1000))\"}]"
status_is 413
switch '{"largest_request":30000000}'

point 'too_large_status: 404.13 instead of a 413'
switch '{"largest_request":1000,"too_large_status":404}'
post /api/Tickets "[{\"summary\":\"$(printf 'x%.0s' $(seq 1 1000))\"}]"
status_is 404
has '404.13'
switch '{"largest_request":30000000,"too_large_status":413}'

point 'content_types: JSON is taken as JSON, a form as a form, unless it is off'
for kind in application/json 'text/json; charset=utf-8' application/vnd.api+json; do
    ask POST /api/Users --header "Content-Type: $kind" --data-binary "[{\"name\":\"Typed $mark\",\"site_id\":$site}]"
    status_is 201
done
ask POST /api/Users --data-binary "[{\"name\":\"Form $mark\",\"site_id\":$site}]"
status_is 415
ask POST /auth/token --header 'Content-Type: application/json' --data "grant_type=client_credentials"
status_is 400
has '"error":"invalid_request"'
switch '{"content_types":false}'
ask POST /api/Users --data-binary "[{\"name\":\"Form $mark\",\"site_id\":$site}]"
status_is 201
switch '{"content_types":true}'

point 'wrong_tenant: an error, a page or nothing'
sign_in all '?tenant=nowhere'
status_is 400
has '"error":"invalid_request"'
switch '{"wrong_tenant":"page"}'
sign_in all '?tenant=nowhere'
status_is 404
has '<html>'
switch '{"wrong_tenant":"empty"}'
sign_in all '?tenant=nowhere'
status_is 404
is_empty
switch '{"wrong_tenant":"json"}'

point 'customer_opening: what makes the first action a mail of the user'
for pair in 'never:"source":1,"email_message_id":"<o@x.example>"' 'email_message_id:"source":1' 'source:"email_message_id":"<o@x.example>"'; do
    switch "{\"customer_opening\":\"${pair%%:*}\"}"
    post /api/Tickets "[{\"summary\":\"Opened $mark\",$whose,${pair#*:}}]"
    get "/api/Actions/1?ticket_id=$(number id)"
    has '"emaildirection":"",'
    has '"actionby_user_id":0'
done
for pair in 'email_message_id:"email_message_id":"<o@x.example>"' 'source:"source":1'; do
    switch "{\"customer_opening\":\"${pair%%:*}\"}"
    post /api/Tickets "[{\"summary\":\"Opened $mark\",$whose,${pair#*:}}]"
    get "/api/Actions/1?ticket_id=$(number id)"
    has "\"who\":\"Jane $mark\",\"who_type\":2,"
    has "\"actionby_user_id\":$user"
    has '"emaildirection":"I"'
done
switch '{"customer_opening":"never"}'

point 'who_type: an agent is 1, or a user is'
for pair in agent_is_1:1:2 user_is_1:0:1; do
    IFS=: read -r value of_agent of_user <<<"$pair"
    switch "{\"who_type\":\"$value\"}"
    post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Note\",\"note\":\"x\"}]"
    has "\"who_type\":$of_agent,"
    post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Note\",\"note\":\"x\",\"actionby_user_id\":$user}]"
    has "\"who_type\":$of_user,"
done
switch '{"who_type":"agent_is_1"}'

point 'invalid_client_status and reject_credentials: 400, and nobody signs in'
switch '{"invalid_client_status":400,"reject_credentials":true}'
sign_in all
status_is 400
has '"error":"invalid_client"'
switch '{"invalid_client_status":401,"reject_credentials":false}'

point 'token_lifetime_s: a token is stale when it has lived so long'
switch '{"token_lifetime_s":0}'
kept=$token
token=$(new_token all)
get /api/Users
status_is 401
token=$kept
switch '{"token_lifetime_s":3600}'

point 'one_token: a new token makes the older one worthless'
older=$(new_token all)
switch '{"one_token":true}'
newer=$(new_token all)
token=$older
get '/api/Users?count=1'
status_is 401
token=$newer
get '/api/Users?count=1'
status_is 200
switch '{"one_token":false}'

point 'missing_scope_status: 401 instead of 403'
switch '{"missing_scope_status":401}'
kept=$token
token=$(new_token read:customers)
get /api/Tickets
status_is 401
token=$kept
switch '{"missing_scope_status":403}'

point 'auth_info: there or not'
switch '{"auth_info":false}'
get /api/AuthInfo
status_is 404
switch '{"auth_info":true}'

point 'forbidden: what an application may not do is a 403'
switch '{"forbidden":[{"method":"POST","path":"/api/client"}]}'
post /api/Client '[{"name":"x"}]'
status_is 403
switch '{"forbidden":[]}'

point 'agents: results or a bare array'
switch '{"agents":"bare"}'
get /api/Agent
[[ $body == \[\{* ]] || fault "no bare array: ${body:0:60}"
switch '{"agents":"results"}'

point 'page_cap and repeat_page: shorter pages, and the first one for ever'
switch '{"page_cap":7,"repeat_page":true}'
get "/api/Users?site_id=$branch&pageinate=true&page_no=1&page_size=100"
times 7 '"emailaddress"'
cp "$folder/body" "$folder/first"
get "/api/Users?site_id=$branch&pageinate=true&page_no=2&page_size=100"
[ "$(sed 's/"page_no":2/"page_no":1/' "$folder/body")" = "$(cat "$folder/first")" ] || fault 'the second page is another one'
switch '{"page_cap":100,"repeat_page":false}'

point 'record_count_is_total: what a page counts, the whole list or its rows'
switch '{"record_count_is_total":false}'
get "/api/Users?site_id=$branch&pageinate=true&page_no=2&page_size=100"
times 21 '"emailaddress"'
has '"record_count":21,'
switch '{"record_count_is_total":true}'

point 'ignore_filters: a list that can not be narrowed'
get "/api/Users?search=nobody-$mark&count=2"
times 0 '"emailaddress"'
switch '{"ignore_filters":true}'
get "/api/Users?search=nobody-$mark&count=2"
times 2 '"emailaddress"'
switch '{"ignore_filters":false}'

point 'client_domain: a parameter that filters, is ignored or lists none, and a field in rows'
get "/api/Client?domain=$mark&search=$mark"
lacks '"domain":'
switch '{"client_domain":"in_rows"}'
get "/api/Client?search=$mark"
has '"domain":'
switch '{"client_domain":"ignored"}'
get "/api/Client?domain=nobody-$mark&count=2"
times 2 '"website"'
switch '{"client_domain":"nothing"}'
get "/api/Client?domain=$mark"
times 0 '"website"'
switch '{"client_domain":"filter"}'

point 'search_other_addresses: whether search looks at email2 and email3'
get "/api/Users?search=second@$mark"
times 1 '"emailaddress"'
switch '{"search_other_addresses":false}'
get "/api/Users?search=second@$mark"
times 0 '"emailaddress"'
switch '{"search_other_addresses":true}'

point 'rows_show_other_addresses: email2 and email3 in rows, or in the record alone'
switch '{"rows_show_other_addresses":true}'
get "/api/Users?search=jane@$mark"
has "\"email2\":\"second@$mark.example\""
switch '{"rows_show_other_addresses":false}'

point 'emaildomain_separator: comma, semicolon or blank'
for pair in "comma:$mark.example,mail" "semicolon:$mark.example;mail" "blank:$mark.example mail" "as_written:$mark.example, mail"; do
    switch "{\"emaildomain_separator\":\"${pair%%:*}\"}"
    get "/api/Site/$branch"
    has "\"emaildomain\":\"${pair#*:}.$mark.example\""
done

point 'clientless_tickets: accept or reject'
switch '{"clientless_tickets":"reject"}'
post /api/Tickets "[{\"summary\":\"Nobody $mark\"}]"
status_is 400
has 'Please select a valid Client/Site/User'
switch '{"clientless_tickets":"accept"}'

point 'mandatory_fields: what a ticket must have, unless _novalidate'
switch '{"mandatory_fields":["category_1"]}'
post /api/Tickets "[{\"summary\":\"Bare $mark\",$whose}]"
status_is 400
has category_1
post /api/Tickets "[{\"summary\":\"Bare $mark\",$whose,\"_novalidate\":true}]"
status_is 201
post /api/Tickets "[{\"summary\":\"Bare $mark\",$whose,\"category_1\":\"Hardware>Printer\"}]"
status_is 201
switch '{"mandatory_fields":[]}'

point 'message_id_in_rows: shown or not'
switch '{"message_id_in_rows":false}'
get "/api/Tickets?ticketids=$ticket"
lacks email_message_id
get "/api/Tickets/$ticket"
has email_message_id
switch '{"message_id_in_rows":true}'

point 'third_party_id_filter: a parameter that filters or is ignored'
switch '{"third_party_id_filter":false}'
get "/api/Tickets?client_id=$second&third_party_id_string=key-$mark"
times 0 '"summary"'
get "/api/Tickets?client_id=$client&third_party_id_string=key-$mark&count=2"
times 2 '"summary"'
switch '{"third_party_id_filter":true}'

point 'actions_without_ticket: 200 without rows, or 500'
get /api/Actions
status_is 200
has '"record_count":0,"actions":[]'
switch '{"actions_without_ticket":500}'
get /api/Actions
status_is 500
switch '{"actions_without_ticket":200}'

point 'latency_ms: every answer takes longer'
switch '{"latency_ms":150}'
took=$(curl --silent --noproxy '*' --output /dev/null --write-out '%{time_total}' "$base/api/AuthInfo")
# Seconds with six decimals: without the point they are microseconds.
[ "$((10#${took/[.,]/}))" -ge 150000 ] || fault "it took $took s"
switch '{"latency_ms":0}'
