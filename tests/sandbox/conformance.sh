#!/bin/bash
# Asks an emulated Halo what is known of the real one, with curl alone, and says of each point `ok` or `FAULT`.
#
#     halo-intake sandbox
#     tests/sandbox/conformance.sh http://127.0.0.1:9746 sandbox-client sandbox-secret
#
# It makes records of its own and puts each switch back to its default. It ends with 1 if there is a fault.
set -uo pipefail

if [ $# -ne 3 ]; then
    echo "usage: conformance.sh URL CLIENT_ID CLIENT_SECRET" >&2
    exit 2
fi
if ! command -v curl >/dev/null; then
    echo "conformance.sh: curl is missing" >&2
    exit 69
fi
base=${1%/} client_id=$2 client_secret=$3
folder=$(mktemp -d) || exit 70
trap 'rm -rf "$folder"' EXIT

# --- points -----------------------------------------------------------------------------------------------------

name='' faults='' points=0 broken=0

# Ends the last point and begins another.
point() {
    if [ -n "$name" ]; then
        points=$((points + 1))
        if [ -z "$faults" ]; then
            echo "ok    $name"
        else
            broken=$((broken + 1))
            echo "FAULT $name: $faults"
        fi
    fi
    name=$1 faults=''
}

fault() {
    faults="${faults:+$faults; }$1"
}

status_is() {
    [ "$status" = "$1" ] || fault "$asked gives $status instead of $1: ${body:0:200}"
}

has() {
    [[ $body == *"$1"* ]] || fault "$asked has no $1: ${body:0:300}"
}

lacks() {
    [[ $body != *"$1"* ]] || fault "$asked has $1: ${body:0:300}"
}

is_empty() {
    [ -z "$body" ] || fault "$asked is not empty: ${body:0:100}"
}

# How often a text is in the body.
times() {
    local count
    count=$(grep -oF -- "$2" "$folder/body" | wc -l)
    [ "$count" -eq "$1" ] || fault "$asked has $2 $count times instead of $1"
}

header_has() {
    grep -qiF -- "$1" "$folder/header" || fault "$asked has no header field $1"
}

# The first value of a field that is a number.
number() {
    grep -oE "\"$1\":-?[0-9]+" "$folder/body" | head -n 1 | cut -d : -f 2
}

# --- requests ---------------------------------------------------------------------------------------------------

token=''

# ask METHOD PATH [CURL-ARGUMENT ...]
ask() {
    local method=$1 path=$2
    shift 2
    asked="$method $path"
    : >"$folder/body"
    : >"$folder/header"
    status=$(curl --silent --noproxy '*' --globoff --max-time 20 --request "$method" --output "$folder/body" \
        --dump-header "$folder/header" --write-out '%{http_code}' --header "Authorization: Bearer $token" "$@" "$base$path")
    body=$(tr -d '\0' <"$folder/body")
}

get() { ask GET "$@"; }
delete() { ask DELETE "$@"; }
post() {
    local path=$1 sent=$2
    shift 2
    ask POST "$path" --header 'Content-Type: application/json' --data-binary "$sent" "$@"
}

# sign_in SCOPE [QUERY]
sign_in() {
    ask POST "/auth/token${2:-}" --data-urlencode grant_type=client_credentials --data-urlencode "client_id=$client_id" \
        --data-urlencode "client_secret=$client_secret" --data-urlencode "scope=$1"
}

new_token() {
    sign_in "$1" >&2
    grep -oE '"access_token":"[^"]*"' "$folder/body" | cut -d '"' -f 4
}

switch() {
    post /sandbox/switches "$1"
    status_is 200
}

# Adds a record that the API could not, for the points that need one.
lay() {
    post "/sandbox/$1" "$2"
    status_is 201
    laid=$(number id)
}

# --- signing in -------------------------------------------------------------------------------------------------

point 'a form with client credentials gives a bearer token, with ?tenant= and without'
sign_in all
status_is 200
has '"access_token":"'
has '"token_type":"Bearer"'
get /api/AuthInfo
tenant=$(grep -oE '"tenant_id":"[^"]*"' "$folder/body" | cut -d '"' -f 4)
sign_in all "?tenant=$tenant"
status_is 200

point 'a token lasts 3600 s'
sign_in all
has '"expires_in":3600'

point 'wrong credentials are an invalid_client'
ask POST /auth/token --data 'grant_type=client_credentials' --data 'client_id=nobody' --data 'client_secret=x' --data 'scope=all'
status_is 401
has '"error":"invalid_client"'

point 'a scope that does not exist is an invalid_scope'
sign_in 'all read:actions'
status_is 400
has '"error":"invalid_scope"'

point 'AuthInfo names server and tenant, and needs no token'
token=
get /api/AuthInfo
status_is 200
has '"auth_url":"'
has '"tenant_id":"'

point 'without a token and with a stale one there is a 401'
get /api/Users
status_is 401
token=stale
get /api/Users
status_is 401

point 'a token for reading customers writes none and reads no tickets'
token=$(new_token read:customers)
get /api/Users
status_is 200
post /api/Users '[{"name":"x","site_id":1}]'
status_is 403
get /api/Tickets
status_is 403
token=$(new_token 'edit:tickets read:customers')
get /api/Tickets
status_is 200
get /api/Client
status_is 200

token=$(new_token all)

# --- paths and bodies -------------------------------------------------------------------------------------------

mark=c$$x$RANDOM
lay clients "{\"name\":\"Conformance $mark\",\"newclient_sitename\":\"Main\",\"website\":\"$mark.example\"}"
client=$laid
site=$(number main_site_id)
lay sites "{\"name\":\"Branch $mark\",\"client_id\":$client,\"emaildomain\":\"$mark.example, mail.$mark.example\"}"
branch=$laid
lay users "{\"name\":\"Jane $mark\",\"emailaddress\":\"jane@$mark.example\",\"email2\":\"second@$mark.example\",\"site_id\":$site}"
user=$laid

point 'paths ignore case'
for path in "/api/users/$user" "/api/USERS/$user" "/API/Users/$user"; do
    get "$path"
    status_is 200
done

point 'unknown routes and records are a 404 with an empty body'
for path in /api/Nonsense /nonsense /api/Users/me /api/Users/onbehalf /api/Users/99999999 /api/Tickets/99999999; do
    get "$path"
    status_is 404
    is_empty
done

point 'an id that is no number is a 400 of the model binding'
for path in /api/Users/abc /api/Tickets/abc "/api/Actions/abc?ticket_id=1" /api/Attachment/abc; do
    get "$path"
    status_is 400
    has "{\"id\":[\"The value 'abc' is not valid.\"]}"
done

point 'there is no PUT and no PATCH'
for method in PUT PATCH; do
    ask "$method" "/api/Users/$user" --data '[]'
    status_is 405
done

point 'only arrays are taken'
post /api/Users "{\"name\":\"Bare $mark\",\"site_id\":$site}"
status_is 400
post /api/Tickets '{"summary":"bare"}'
status_is 400

point 'one element is answered with the bare object, several with the last, returnall with an array'
post /api/Users "[{\"name\":\"One $mark\",\"site_id\":$site}]"
status_is 201
[[ $body == \{\"id\":* ]] || fault "no bare object: ${body:0:40}"
post /api/Users "[{\"name\":\"Two $mark\",\"site_id\":$site},{\"name\":\"Three $mark\",\"site_id\":$site}]"
has "Three $mark"
lacks "Two $mark"
post '/api/Users?returnall=true' "[{\"name\":\"Four $mark\",\"site_id\":$site},{\"name\":\"Five $mark\",\"site_id\":$site}]"
[[ $body == \[\{* ]] || fault "no array: ${body:0:40}"
times 2 '"emailaddress"'

point 'fields that are not known are ignored, and names ignore case'
post /api/Users "[{\"NAME\":\"Six $mark\",\"Site_Id\":$site,\"shoe_size\":\"x\"}]"
status_is 201
has "Six $mark"
lacks shoe_size

point 'ids as texts or with a fraction are a 400 of the model binding'
post /api/Users "[{\"name\":\"x\",\"site_id\":\"$site\"}]"
status_is 400
has '{"[0].site_id":["'
post /api/Users "[{\"name\":\"x\",\"site_id\":$site.0}]"
status_is 400
has "Input string '$site.0' is not a valid integer"
post /api/Tickets "[{\"summary\":\"x\",\"client_id\":$client,\"site_id\":$site.0}]"
status_is 400
has "Input string '$site.0' is not a valid integer"
post /api/Tickets "[{\"summary\":\"x\",\"status_id\":\"1\"}]"
status_is 400
has '{"[0].status_id":["'

point 'a column that must not be empty is a 400 of the database'
post /api/Users "[{\"site_id\":$site}]"
status_is 400
has '"ClassName":"System.Exception"'
has '(515)'

point 'site_id of users and client_id of sites are floats'
get "/api/Users/$user"
has "\"site_id\":$site.0"
has "\"site_id_int\":$site,"
get "/api/Site/$branch"
has "\"client_id\":$client.0"
get "/api/Site?client_id=$client"
has "\"client_id\":$client.0"

point 'a site is not checked against the client of a user, nor an address for its form'
post /api/Users "[{\"name\":\"Odd $mark\",\"site_id\":$site,\"client_id\":1,\"emailaddress\":\"no address\"}]"
status_is 201
has '"client_id":1,'

point 'a new client gets a first site, and a site its General User'
post /api/Client "[{\"name\":\"Second $mark\",\"newclient_sitename\":\"Studio\"}]"
status_is 201
second=$(number id)
first_site=$(number main_site_id)
get "/api/Site/$first_site"
has '"name":"Studio"'
get "/api/Users?client_id=$second"
has '"name":"General User"'
get "/api/Users?client_id=$second&exclude_generaluser=true"
lacks 'General User'

# --- lists ------------------------------------------------------------------------------------------------------

many='{"name":"Row '$mark' 0","site_id":'$branch'}'
for number in $(seq 1 119); do
    many="$many,{\"name\":\"Row $mark $number\",\"site_id\":$branch}"
done
post /sandbox/users "[$many]"

point '50 rows come without pageinate, whatever page_size says'
get "/api/Users?site_id=$branch&page_size=100&page_no=2"
times 50 '"emailaddress"'
has '"record_count":50,'
lacks page_no

point 'pageinate pages, and no page is longer than 100'
get "/api/Users?site_id=$branch&pageinate=true&page_no=1&page_size=1000"
times 100 '"emailaddress"'
has '"page_no":1,"page_size":100,"record_count":121,'
get "/api/Users?site_id=$branch&pageinate=true&page_no=2&page_size=100"
times 21 '"emailaddress"'
get "/api/Users?site_id=$branch&pageinate=true&page_no=3&page_size=100"
status_is 200
times 0 '"emailaddress"'

point 'count caps the rows, and record_count with them'
get "/api/Users?site_id=$branch&count=70"
times 70 '"emailaddress"'
has '"record_count":70,'

point 'order and orderdesc sort'
get "/api/Users?site_id=$branch&exclude_generaluser=true&count=1&order=id&orderdesc=true"
has "Row $mark 119"
get "/api/Users?site_id=$branch&exclude_generaluser=true&count=1&order=use&order2=id&orderdesc2=true"
has "Row $mark 119"

point 'idonly gives ids alone, and does not page'
get "/api/Users?site_id=$branch&idonly=true&pageinate=true&page_size=10"
times 121 '"id":'
lacks '"name"'

point 'lists have their envelopes: users, clients, sites, tickets, actions, attachments, results'
for pair in Users:users Client:clients Site:sites Tickets:tickets Agent:results; do
    get "/api/${pair%%:*}?count=1"
    status_is 200
    has '"record_count":'
    has "\"${pair##*:}\":["
done
get '/api/Actions?ticket_id=1'
has '{"ticket_id":1,"record_count":0,"actions":[]}'
get '/api/Attachment?ticket_id=1'
has '{"ticket_id":1,"record_count":0,"folders":[],"attachments":[]}'

point 'search finds a part of a name or an address, ignoring case'
for part in "jane%40$mark" "JANE%20$mark" "ane@$mark.ex"; do
    get "/api/Users?search=$part"
    times 1 '"emailaddress"'
    has "\"id\":$user,"
done
get "/api/Client?search=$mark.exam"
has "\"id\":$client,"
get "/api/Client?search=$mark.exam&search_name_only=true"
lacks "\"id\":$client,"

point 'rows lack email2 and emaildomain, which the record has'
get "/api/Users?search=jane@$mark"
lacks '"email2"'
get "/api/Users/$user"
has "\"email2\":\"second@$mark.example\""
get "/api/Site?client_id=$client"
lacks '"emaildomain"'

point 'only active records are listed unless others are asked for'
post /api/Users "[{\"id\":$user,\"inactive\":true}]"
status_is 201
get "/api/Users?search=jane@$mark"
times 0 '"emailaddress"'
for others in includeinactive=true 'activeinactive=true,false' 'activeinactive=false'; do
    get "/api/Users?search=jane@$mark&$others"
    times 1 '"emailaddress"'
done
post /api/Users "[{\"id\":$user,\"inactive\":false}]"
get "/api/Users?search=jane@$mark&includeactive=false"
times 0 '"emailaddress"'

point 'exclude_agents leaves out users that are agents'
lay users "{\"name\":\"Desk $mark\",\"emailaddress\":\"desk@$mark.example\",\"site_id\":$site,\"linked_agent_id\":3}"
get "/api/Users?search=desk@$mark"
times 1 '"emailaddress"'
get "/api/Users?search=desk@$mark&exclude_agents=true"
times 0 '"emailaddress"'

point 'advanced_search compares whole values, and says so where it can not'
get /api/Users --get --data-urlencode "advanced_search=[{\"filter_name\":\"emailaddress\",\"filter_type\":2,\"filter_value\":\"jane@$mark.example\"}]"
times 1 '"emailaddress"'
get /api/Users --get --data-urlencode "advanced_search=[{\"filter_name\":\"emailaddress\",\"filter_type\":2,\"filter_value\":\"jane@$mark\"}]"
times 0 '"emailaddress"'
get /api/Users --get --data-urlencode 'advanced_search=[{"filter_name":"shoe_size","filter_type":2,"filter_value":"9"}]'
status_is 400
has 'Invalid advanced search parameter(s)'

point 'lastupdatefromdate finds what was changed since'
get "/api/Users?search=jane@$mark&lastupdatefromdate=2001-01-01T00:00:00"
times 1 '"emailaddress"'
get "/api/Users?search=jane@$mark&lastupdatefromdate=2101-01-01T00:00:00"
times 0 '"emailaddress"'

point 'DELETE answers with the id, and the user is gone'
lay users "{\"name\":\"Gone $mark\",\"site_id\":$site}"
delete "/api/Users/$laid"
status_is 200
has "{\"id\":$laid}"
get "/api/Users/$laid"
status_is 404

# --- tickets ----------------------------------------------------------------------------------------------------

whose="\"client_id\":$client,\"site_id\":$site,\"user_id\":$user"

point 'a summary is enough for a ticket'
post /api/Tickets "[{\"summary\":\"Alone $mark\"}]"
status_is 201
has '"client_id":1,'
post /api/Tickets '[{"details":"no summary"}]'
status_is 400

point 'a ticket has integer ids, names, sentinel dates and customfields'
post /api/Tickets "[{\"summary\":\"Printer $mark\",\"details\":\"It is dead.\",$whose,\"email_message_id\":\"<a@$mark.example>\",\"third_party_id_string\":\"key-$mark\",\"customfields\":[{\"id\":285,\"value\":\"x\"}]}]"
status_is 201
ticket=$(number id)
has "\"client_id\":$client,\"client_name\":\"Conformance $mark\",\"site_id\":$site,\"site_name\":\"Main\",\"user_id\":$user,\"user_name\":\"Jane $mark\""
has '"status_id":1,'
has '"deadlinedate":"1900-01-01T00:00:00"'
has '"hasbeenclosed":false'
has '"merged_into_id":0'
has '"customfields":[{"id":285,"value":"x"}]'

point 'a user without its site, a site of another client, and a text as client_id are not valid'
for wrong in "\"client_id\":$client,\"user_id\":$user" "\"client_id\":$client,\"site_id\":null,\"user_id\":$user" \
    "\"client_id\":$second,\"site_id\":$site,\"user_id\":$user" "\"client_id\":\"$client\",\"site_id\":$site,\"user_id\":$user" \
    "\"client_id\":$client,\"site_id\":$branch,\"user_id\":$user" '"client_id":99999999'; do
    post /api/Tickets "[{\"summary\":\"x\",$wrong}]"
    status_is 400
    has '"ClassName":"System.Exception"'
    has '"Message":"Please select a valid Client/Site/User"'
done

point 'the General User resolves the site, and userlookup names a user'
post /api/Tickets "[{\"summary\":\"General $mark\",\"client_id\":$client,\"site_id\":null,\"user_id\":-1}]"
status_is 201
has "\"site_id\":$site,"
has '"user_name":"General User"'
post /api/Tickets "[{\"summary\":\"Looked up $mark\",\"site_id\":$site,\"usertype\":1,\"userlookup\":{\"id\":$user,\"lookupdisplay\":\"Jane\"}}]"
status_is 201
has "\"user_id\":$user,"

point 'a ticket begins with an action that is its body, and both are rewritten together'
get "/api/Actions?ticket_id=$ticket"
has "{\"ticket_id\":$ticket,\"record_count\":1,"
has '"id":1,"outcome":"Opened"'
has '"note":"It is dead."'
post /api/Tickets "[{\"id\":$ticket,\"details_html\":\"<p>It is alive.</p>\"}]"
status_is 201
has '"details":"It is alive."'
get "/api/Actions/1?ticket_id=$ticket"
has '"note":"It is alive."'
has '"note_html":"<p>It is alive.</p>"'

point 'an id makes it an update, which changes what was sent alone'
post /api/Tickets "[{\"id\":$ticket,\"team\":\"2nd Line\"}]"
status_is 201
has "\"id\":$ticket,"
has '"team":"2nd Line"'
has "\"summary\":\"Printer $mark\""
has "\"user_id\":$user,"
post /api/Tickets '[{"id":99999999,"status_id":2}]'
status_is 404

point 'a status closes a ticket and opens it again'
post /api/Tickets "[{\"id\":$ticket,\"status_id\":9}]"
has '"hasbeenclosed":true'
lacks '"dateclosed":"1900-01-01T00:00:00"'
get "/api/Tickets?search_summary=$mark&open_only=true"
lacks "\"id\":$ticket,"
get "/api/Tickets?search_summary=$mark&closed_only=true"
times 1 '"summary"'
post /api/Tickets "[{\"id\":$ticket,\"status_id\":2}]"
has '"hasbeenclosed":false'
has '"dateclosed":"1900-01-01T00:00:00"'

point 'custom fields are shown with includedetails, and those that are not sent stay'
post /api/Tickets "[{\"id\":$ticket,\"customfields\":[{\"id\":286,\"value\":\"y\"}]}]"
get "/api/Tickets/$ticket?includedetails=true"
has '"customfields":[{"id":285,"value":"x"},{"id":286,"value":"y"}]'
get "/api/Tickets/$ticket"
has '"customfields":null'
get "/api/Tickets?ticketids=$ticket&includedetails=true"
has '"customfields":[{"id":285'

point 'rows of tickets have email_message_id and third_party_id_string, and no names of statuses'
get "/api/Tickets?ticketids=$ticket"
times 1 '"summary"'
has "\"email_message_id\":\"<a@$mark.example>\""
has "\"third_party_id_string\":\"key-$mark\""
has '"customfields":null'
lacks status_name

point 'tickets are found by text, number, summary, client, site, user and key'
for query in "search=printer%20$mark" "search_id=$ticket" "search_summary=printer%20$mark" "third_party_id_string=key-$mark" \
    "user_id=$user&search_details=alive" "site_id=$site&search=alive" "client_id=$client&requesttype_id=1&status=[2,3]" \
    "client_id=$client&team_name=2nd" "client_id=$client&username=jane&search=alive"; do
    get "/api/Tickets?$query"
    times 1 '"summary"'
    has "\"id\":$ticket,"
done
get "/api/Tickets?ticketids=$ticket,2"
has "\"id\":$ticket,"
get "/api/Tickets?client_id=$second"
times 0 '"summary"'
get "/api/Tickets?client_id=$client&datesearch=dateoccurred&startdate=2101-01-01T00:00:00"
times 0 '"summary"'

point 'tickets page, and the newest of a user come first with order=id&orderdesc=true'
for number in 1 2 3; do
    post /api/Tickets "[{\"summary\":\"Page $mark $number\",$whose}]"
done
get "/api/Tickets?user_id=$user&order=id&orderdesc=true&count=1"
has "Page $mark 3"
get "/api/Tickets?search_summary=Page%20$mark&pageinate=true&page_size=2&page_no=2&order=id"
has '"page_no":2,"page_size":2,"record_count":3,'
has "Page $mark 3"
times 1 '"summary"'

point 'merged_into_id is kept and shown'
post /api/Tickets "[{\"summary\":\"Merged $mark\",$whose}]"
merged=$(number id)
post /api/Tickets "[{\"id\":$merged,\"merged_into_id\":$ticket}]"
get "/api/Tickets/$merged"
has "\"merged_into_id\":$ticket"

point 'a deleted ticket leaves the lists, can be read, and is recovered'
delete "/api/Tickets/$merged?reason=double"
status_is 200
has "{\"id\":$merged}"
get "/api/Tickets?ticketids=$merged"
times 0 '"summary"'
get "/api/Tickets/$merged"
has '"inactive":true'
post /api/Tickets "[{\"id\":$merged,\"_recover\":true,\"_validate_updates\":true}]"
has '"inactive":false'
get "/api/Tickets?ticketids=$merged"
times 1 '"summary"'

point 'Tickets/Object takes a single object'
post /api/Tickets/Object "{\"summary\":\"Single $mark\",$whose}"
status_is 201
has "Single $mark"

point 'dates lose their zone'
post /api/Tickets "[{\"summary\":\"Dated $mark\",$whose,\"dateoccurred\":\"2026-10-06T06:19:13+02:00\"}]"
has '"dateoccurred":"2026-10-06T04:19:13"'

point 'a Message-ID that is wider than its column is a 400 of the database'
wide=$(printf 'x%.0s' $(seq 1 101))
post /api/Tickets "[{\"summary\":\"Wide\",$whose,\"internet_message_id\":\"$wide\"}]"
status_is 400
has 'A database error occurred'

# --- actions ----------------------------------------------------------------------------------------------------

point 'actions are numbered within their ticket'
post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Private Note\",\"note\":\"one\"}]"
status_is 201
has "{\"ticket_id\":$ticket,\"id\":2,\"outcome\":\"Private Note\",\"outcome_id\":7,"
has '"hiddenfromuser":true'
has '"actionby_application_id":"'
post /api/Tickets "[{\"summary\":\"Other $mark\",$whose}]"
other=$(number id)
post /api/Actions "[{\"ticket_id\":$other,\"outcome_id\":7,\"note\":\"one\"}]"
has "{\"ticket_id\":$other,\"id\":2,"

point 'an action of a mail keeps what it says of the mail'
post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Email Update\",\"note\":\"two\",\"note_html\":\"<p>two</p>\",\"hiddenfromuser\":false,\"sendemail\":false,\"who\":\"Jane\",\"actionby_user_id\":$user,\"emaildirection\":\"I\",\"emailfrom\":\"jane@$mark.example\",\"emailbody_html\":\"<p>all</p>\",\"email_message_id\":\"<b@$mark.example>\"}]"
status_is 201
has '"id":3,"outcome":"Email Update","outcome_id":0,"who":"Jane"'
has "\"actionby_user_id\":$user"
get "/api/Tickets/$ticket"
lacks '"lastincomingemail":"1900'

point 'HTML of actions is there where it is asked for'
get "/api/Actions?ticket_id=$ticket"
has "\"email_message_id\":\"<b@$mark.example>\""
lacks note_html
lacks emailbody_html
get "/api/Actions?ticket_id=$ticket&includehtmlnote=true&includehtmlemail=true"
has '"note_html":"<p>two</p>"'
has '"emailbody_html":"<p>all</p>"'
get "/api/Actions/3?ticket_id=$ticket&includeemail=true"
has '"emailbody_html":"<p>all</p>"'
get "/api/Actions/1?ticket_id=$ticket&mostrecent=true"
has '"id":3,'

point 'private actions are left out with excludeprivate'
get "/api/Actions?ticket_id=$ticket&excludeprivate=true"
lacks '"outcome":"Private Note"'
get "/api/Actions?ticket_id=$ticket&conversationonly=true&count=1"
has '"record_count":1,'

point 'an action without an outcome is refused in the words of a .NET exception'
post /api/Actions "[{\"ticket_id\":$ticket,\"note\":\"x\"}]"
status_is 400
has '"ClassName":"System.Exception"'
has '"Message":"An Outcome must be entered for this Action"'

point 'an action without a ticket_id is refused in another shape'
post /api/Actions '[{"outcome":"Private Note","note":"x"}]'
status_is 400
lacks ClassName

point 'an outcome that is not known is one without access'
for outcome in '"outcome":"No Such Outcome"' '"outcome_id":4711' '"outcome":"Opened"'; do
    post /api/Actions "[{\"ticket_id\":$ticket,$outcome,\"note\":\"x\"}]"
    status_is 400
    has '"Message":"You do not have access to this Action at the moment"'
done

point 'new_status moves the ticket'
post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Email User\",\"note\":\"x\",\"new_status\":9,\"new_agent\":3,\"timetaken\":0.25}]"
has '"old_status":2,"new_status":9,'
has '"timetaken":0.25'
get "/api/Tickets/$ticket"
has '"status_id":9,'
has '"hasbeenclosed":true'
has '"agent_id":3,'

point 'an action is changed by id and ticket_id, and deleted by them; its number is not given again'
post /api/Actions "[{\"ticket_id\":$ticket,\"id\":2,\"note\":\"changed\"}]"
status_is 201
has '"note":"changed"'
delete "/api/Actions/4?ticket_id=$ticket"
status_is 200
has '{"id":4}'
get "/api/Actions/4?ticket_id=$ticket"
status_is 404
post /api/Actions "[{\"ticket_id\":$ticket,\"outcome\":\"Note\",\"note\":\"after\"}]"
has '"id":5,'

# --- attachments ------------------------------------------------------------------------------------------------

picture=iVBORw0KGgo=
printf %s "$picture" | base64 -d >"$folder/picture.png"

point 'a data URI becomes an attachment, and its octets come back'
post /api/Attachment "[{\"ticket_id\":$ticket,\"filename\":\"a photo.png\",\"data_base64\":\"data:image/png;base64,$picture\"}]"
status_is 201
attachment=$(number id)
has '"filename":"a photo.png","filesize":8,'
has '"isimage":true'
get "/api/Attachment/$attachment"
status_is 200
header_has 'Content-Disposition: attachment'
header_has 'Content-Type: image/png'
cmp -s "$folder/body" "$folder/picture.png" || fault 'other octets come back'

point 'tickets and actions bring attachments along'
inline="\"attachments\":[{\"filename\":\"inline.txt\",\"data_base64\":\"data:text/plain;base64,aGk=\"}]"
post /api/Tickets "[{\"summary\":\"With file $mark\",$whose,$inline}]"
has '"attachment_count":1'
with_file=$(number id)
post /api/Actions "[{\"ticket_id\":$with_file,\"outcome\":\"Note\",\"note\":\"x\",$inline}]"
has '"attachment_count":1'
get "/api/Tickets/$with_file"
has '"attachment_count":2'
get "/api/Tickets?client_id=$client&withattachments=true&order=id"
times 2 '"summary"'

point 'attachments are listed by ticket or action, and not at all without a filter'
get "/api/Attachment?ticket_id=$with_file"
has "{\"ticket_id\":$with_file,\"record_count\":2,\"folders\":[],\"attachments\":["
get "/api/Attachment?ticket_id=$with_file&action_id=2"
has '"record_count":1,'
get /api/Attachment
has '"record_count":0,'

point 'an attachment needs a ticket that is there, and data that can be read'
post /api/Attachment '[{"filename":"x","data_base64":"data:text/plain;base64,aGk="}]'
status_is 400
post /api/Attachment '[{"ticket_id":99999999,"filename":"x","data_base64":"data:text/plain;base64,aGk="}]'
status_is 404
post /api/Attachment "[{\"ticket_id\":$ticket,\"filename\":\"x\",\"data_base64\":\"data:text/plain;base64,%%\"}]"
status_is 400

point 'an attachment is deleted by its id'
delete "/api/Attachment/$attachment"
status_is 200
get "/api/Attachment/$attachment"
status_is 404
get "/api/Tickets/$ticket"
has '"attachment_count":0'

point 'a picture is uploaded as a form and shown to whoever has its link'
ask POST /api/Attachment/image --form "file=@$folder/picture.png;type=image/png" --form "ticket_id=$ticket" \
    --form image_upload_id=0 --form "image_upload_key=$mark"
status_is 201
link=$(grep -oE '"link":"[^"]*"' "$folder/body" | cut -d '"' -f 4)
has '/api/attachment/image/'
curl --silent --noproxy '*' --output "$folder/shown" "$link"
cmp -s "$folder/shown" "$folder/picture.png" || fault 'the link shows other octets'

# --- reference data ---------------------------------------------------------------------------------------------

point 'reference data are bare arrays'
for kind in TicketType Status Priority Team Outcome Category 'Lookup?lookupid=22' 'Lookup?lookupid=12' 'Lookup?lookupid=27' Mailbox; do
    get "/api/$kind"
    status_is 200
    [[ $body == \[\{* ]] || fault "$asked is no bare array: ${body:0:60}"
done

point 'a priority has a GUID for an id, and its number beside it'
get /api/Priority
grep -qE '"id":"[0-9a-f]{8}-[0-9a-f-]{27}","priorityid":[0-9]+' "$folder/body" || fault "${body:0:100}"

point 'showall and showhidden show the rest'
get /api/TicketType
lacks '"inactive":true'
get '/api/TicketType?showall=true'
has '"inactive":true'
get /api/Outcome
has '"id":7,"outcome":"Private Note"'
lacks Opened
get '/api/Outcome?showhidden=true'
has Opened

point 'Agent/me is the agent of the application'
get /api/Agent/me
status_is 200
has '"claims":['

# --- switches ---------------------------------------------------------------------------------------------------

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

# --- faults -----------------------------------------------------------------------------------------------------

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
status_is 200
has '{}'
written noid 1
switch '{"faults":[]}'

# --- rate -------------------------------------------------------------------------------------------------------

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
switch '{"retry_after_s":null}'
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

point ''
echo "$points points, $broken faults"
[ "$broken" -eq 0 ]
