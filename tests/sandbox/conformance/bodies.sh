# Paths and bodies: what is taken, what is refused, in which words.

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
