# Lists: paging, order, search, envelopes.

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
