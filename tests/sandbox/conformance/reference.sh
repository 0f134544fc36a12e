# Reference data.

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
