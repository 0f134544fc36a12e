# Attachments and pictures.

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
