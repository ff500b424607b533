for endpoint in 198.51.100.1:8001 198.51.100.1:8002; do
    ab -n REQUESTS -c CONNECTIONS "http://$endpoint/" &
done
wait
