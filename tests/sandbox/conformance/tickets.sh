# Tickets: whose they are, their first action, states, searches.

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
