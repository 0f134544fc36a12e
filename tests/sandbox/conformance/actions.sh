# Actions: numbers, outcomes, mails.

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
